package simulator

import (
	"crypto/sha256"
	"math/rand/v2"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
	"github.com/muster-iot/muster/wire/mqtt"
)

// firmware is an image as the cloud offers it.
type firmware struct {
	version fleet.Version
	bytes   []byte
	digest  fleet.Digest
	chunk   uint32
}

func newFirmware(version uint32, size int, chunk uint32) firmware {
	b := make([]byte, size)
	r := rand.NewChaCha8([32]byte{byte(version)})
	_, _ = r.Read(b)
	return firmware{version: fleet.WholeVersion(version), bytes: b, digest: sha256.Sum256(b), chunk: chunk}
}

func (f firmware) count() uint32 { return wire.ChunkCount(int64(len(f.bytes)), f.chunk) }

func (f firmware) offer(update byte, first uint32) wire.Offer {
	return wire.Offer{
		Update: fleet.UpdateID{update}, Version: f.version, Size: int64(len(f.bytes)), Digest: f.digest,
		Chunk: f.chunk, Count: f.count(), First: first,
	}
}

// push sends the chunks first to first+count-1, clipped at the image's end.
func (l *link) push(f firmware, first, count uint32) {
	for i := first; i < min(first+count, f.count()); i++ {
		start := int(i) * int(f.chunk)
		data := f.bytes[start:min(start+int(f.chunk), len(f.bytes))]
		l.tell(wire.TopicChunk, wire.AppendChunk(nil, wire.Chunk{Image: f.digest.Image(), Index: i, Data: data}))
	}
}

// offer sends the Offer with its first window.
func (l *link) offer(f firmware, update byte, first, window uint32) {
	l.tell(wire.TopicOffer, f.offer(update, first).Encode())
	l.push(f, first, window)
}

// feed answers Wants until the device reports something, which it returns acknowledged.
func (l *link) feed(f firmware) wire.Report {
	l.t.Helper()
	for {
		m := l.next()
		switch {
		case m.kind == mqtt.Publish && m.topic.Kind == wire.TopicWant:
			w := decoded(l.t, wire.DecodeWant, m)
			l.push(f, w.First, w.Count)
		case m.kind == mqtt.Publish && m.topic.Kind == wire.TopicReport:
			r := decoded(l.t, wire.DecodeReport, m)
			l.ack(m)
			if r.State != wire.ReportDownloading {
				return r
			}
		default:
			l.t.Fatalf("got packet type %d, topic %v during a download", m.kind, m.topic)
		}
	}
}

// serve is a whole cloud in short for the devices of a fleet: everyone gets f, a failed
// update is offered again at the next Hello. It runs until the test ends.
func (c *cloud) serve(f firmware) {
	for l := range c.links {
		c.t.Cleanup(l.close)
		go l.serve(f)
	}
}

func (l *link) serve(f firmware) {
	for m := range l.in {
		switch {
		case m.kind == mqtt.Connect:
			l.device = fleet.DeviceID(fields(m.payload[10:])[0])
			l.send([]byte{mqtt.ConnAck.Head(0), 2, 0, 0})
		case m.kind != mqtt.Publish:
		case m.topic.Kind == wire.TopicHello:
			h, _ := wire.DecodeHello(m.payload)
			l.welcome(h)
			if h.Version.Equal(f.version) || !h.UpdatesOn {
				continue
			}
			first := uint32(0)
			if p := h.Partial; p != nil && p.Image == f.digest.Image() && p.Chunk == f.chunk {
				first = p.Next
			}
			o := f.offer(0, first)
			o.Update = fleet.NewUpdateID()
			l.tell(wire.TopicOffer, o.Encode())
			l.push(f, first, h.Window)
		case m.topic.Kind == wire.TopicWant:
			w, _ := wire.DecodeWant(m.payload)
			l.push(f, w.First, w.Count)
		case m.qos == 1:
			l.ack(m)
		}
	}
}
