package device

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"io"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/simulator/mqttlite"
	"github.com/muster-iot/muster/wire"
	"github.com/muster-iot/muster/wire/mqtt"
)

const testDevice = "bench-00000"

// cloudOfOne answers one device over one connection: Welcome, Offer, and each chunk that
// is pushed or asked for. Wants are kept.
type cloudOfOne struct {
	image   []byte
	chunk   uint32
	spoiled int // index of a chunk whose data is wrong, -1 for none
	wants   []wire.Want
}

func (s *cloudOfOne) serve(conn net.Conn) {
	for {
		first, body, err := readPacket(conn)
		if err != nil {
			return
		}
		switch first >> 4 {
		case 1: // CONNECT
			_, err = conn.Write([]byte{0x20, 2, 0, 0})
		case 3: // PUBLISH
			n := int(binary.BigEndian.Uint16(body))
			err = s.receive(conn, string(body[2:2+n]), body[2+n:], first>>1&3)
		}
		if err != nil {
			return
		}
	}
}

func (s *cloudOfOne) receive(conn net.Conn, name string, payload []byte, qos byte) error {
	digest := fleet.Digest(sha256.Sum256(s.image))
	offer := wire.Offer{
		Update: fleet.NewUpdateID(), Version: fleet.WholeVersion(2), Size: int64(len(s.image)), Digest: digest,
		Chunk: s.chunk, Count: wire.ChunkCount(int64(len(s.image)), s.chunk),
	}
	switch name {
	case Topic(testDevice, wire.TopicHello):
		h, err := wire.DecodeHello(payload)
		if err != nil {
			return err
		}
		welcome := wire.Welcome{Time: time.Unix(1, 0), Target: offer.Version}
		if err := publish(conn, Topic(testDevice, wire.TopicWelcome), welcome.Encode()); err != nil {
			return err
		}
		if err := publish(conn, Topic(testDevice, wire.TopicOffer), offer.Encode()); err != nil {
			return err
		}
		return s.push(conn, offer, 0, h.Window)
	case Topic(testDevice, wire.TopicWant):
		w, err := wire.DecodeWant(payload)
		if err != nil {
			return err
		}
		s.wants = append(s.wants, w)
		return s.push(conn, offer, w.First, w.Count)
	default: // a Report
		if qos != 1 {
			return io.ErrUnexpectedEOF
		}
		_, err := conn.Write([]byte{0x40, 2, payload[0], payload[1]})
		return err
	}
}

func (s *cloudOfOne) push(conn net.Conn, o wire.Offer, first, count uint32) error {
	for i := first; i < min(first+count, o.Count); i++ {
		start := int(i * s.chunk)
		data := bytes.Clone(s.image[start:min(start+int(s.chunk), len(s.image))])
		if int(i) == s.spoiled {
			data[0] ^= 1
		}
		if err := publish(conn, Topic(testDevice, wire.TopicChunk), wire.AppendChunk(nil, wire.Chunk{Image: o.Image(), Index: i, Data: data})); err != nil {
			return err
		}
	}
	return nil
}

func readPacket(r io.Reader) (first byte, body []byte, err error) {
	var b [1]byte
	if _, err := io.ReadFull(r, b[:]); err != nil {
		return 0, nil, err
	}
	first = b[0]
	length := 0
	for shift := 0; ; shift += 7 {
		if _, err := io.ReadFull(r, b[:]); err != nil {
			return 0, nil, err
		}
		length |= int(b[0]&0x7f) << shift
		if b[0] < 0x80 {
			break
		}
	}
	body = make([]byte, length)
	_, err = io.ReadFull(r, body)
	return first, body, err
}

func publish(w io.Writer, name string, payload []byte) error {
	_, err := w.Write(mqtt.AppendPublish(nil, mqtt.V311, name, 0, 0, payload))
	return err
}

func connectTo(t *testing.T, s *cloudOfOne) *Download {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		s.serve(conn)
	}()
	t.Cleanup(func() { l.Close(); <-done })
	broker := mqttlite.Broker{Scheme: "tcp", Host: l.Addr().String()}
	c, err := mqttlite.Dial(context.Background(), broker, mqtt.Client{ID: testDevice})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	hello := Greeting("bench", 1)
	hello.Chunk, hello.Window = s.chunk, 8
	return &Download{ID: testDevice, Conn: c, Hello: hello, Target: 2}
}

func TestDownloadAsksForEachChunkOnceAtHalfAWindow(t *testing.T) {
	s := &cloudOfOne{image: bytes.Repeat([]byte("not "), 128*21/4+2), chunk: 128, spoiled: -1}
	d := connectTo(t, s)
	if err := d.Run(); err != nil {
		t.Fatal(err)
	}
	if err := d.Finish(); err != nil {
		t.Fatal(err)
	}
	var got [][2]uint32
	for _, w := range s.wants {
		got = append(got, [2]uint32{w.First, w.Count})
	}
	want := [][2]uint32{{8, 4}, {12, 4}, {16, 4}, {20, 2}}
	if !slices.Equal(got, want) {
		t.Errorf("asked for %v, want %v", got, want)
	}
	if d.image.bytes != int64(len(s.image)) {
		t.Errorf("%d bytes, want %d", d.image.bytes, len(s.image))
	}
}

func TestDownloadOfOtherBytesFails(t *testing.T) {
	s := &cloudOfOne{image: bytes.Repeat([]byte("not "), 128*21/4+2), chunk: 128, spoiled: 17}
	if err := connectTo(t, s).Run(); err == nil {
		t.Error("an image with a wrong digest was verified")
	}
}
