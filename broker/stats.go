package broker

import (
	"sync/atomic"

	"github.com/muster-iot/muster/broker/chunkio"
)

// Stats is what a Broker has counted since New. Codes are MQTT 5 reason codes.
type Stats struct {
	Connections int64 // open and admitted now
	Pending     int64 // open and not admitted now

	Accepted    uint64          // connections that got CONNACK 0
	Refused     map[byte]uint64 // connections refused in CONNACK, by code
	Ended       map[byte]uint64 // admitted connections that ended, by code; 0: by the device or the network
	Takeovers   uint64          // connections ended by a newer one of the same device
	Paused      uint64          // connections that had to wait for CONNACK because their device connects too often
	Panics      uint64          // connections ended by a panic
	MessagesIn  uint64          // PUBLISH packets handed to the cloud
	MessagesOut uint64          // PUBLISH packets sent, chunks included
	ChunksOut   uint64
	BytesOut    uint64            // bytes of all packets handed to the transport
	Ignored     map[string]uint64 // messages dropped without ending a connection, by reason
}

// Reasons in Stats.Ignored.
const (
	ignoredTopic  = iota // a publish to a topic the device may not publish to, unless that ended the connection
	ignoredRetain        // the retain flag of an MQTT 3.1.1 publish; the message itself counts
	ignoredLarge         // a message or chunk larger than the MQTT 5 client takes
	ignoredSource        // queued chunks whose source failed
	ignoredReasons
)

var ignoredNames = [ignoredReasons]string{"topic", "retain", "larger_than_client_takes", "chunk_source"}

type counters struct {
	connections, pending                         atomic.Int64
	accepted, takeovers, paused, panics, in, out atomic.Uint64 // out: PUBLISH packets but chunks
	refused, ended                               [256]atomic.Uint64
	ignored                                      [ignoredReasons]atomic.Uint64
	sent                                         chunkio.Counters
}

// Stats returns the counters as they are now. It may be called concurrently.
func (b *Broker) Stats() Stats {
	c := &b.count
	s := Stats{
		Connections: c.connections.Load(), Pending: c.pending.Load(),
		Accepted: c.accepted.Load(), Refused: byCode(&c.refused), Ended: byCode(&c.ended),
		Takeovers: c.takeovers.Load(), Paused: c.paused.Load(), Panics: c.panics.Load(),
		MessagesIn: c.in.Load(), MessagesOut: c.out.Load() + c.sent.Chunks.Load(),
		ChunksOut: c.sent.Chunks.Load(), BytesOut: c.sent.Bytes.Load(),
		Ignored: make(map[string]uint64, ignoredReasons),
	}
	for i, name := range ignoredNames {
		s.Ignored[name] = c.ignored[i].Load()
	}
	s.Ignored[ignoredNames[ignoredLarge]] += c.sent.TooLarge.Load()
	s.Ignored[ignoredNames[ignoredSource]] += c.sent.Failed.Load()
	return s
}

func byCode(counts *[256]atomic.Uint64) map[byte]uint64 {
	m := make(map[byte]uint64)
	for code := range counts {
		if n := counts[code].Load(); n > 0 {
			m[byte(code)] = n
		}
	}
	return m
}
