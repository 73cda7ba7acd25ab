package device

import (
	"context"
	"sync"
	"time"

	"github.com/muster-iot/muster/bench/process"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/simulator"
	"github.com/muster-iot/muster/simulator/mqttlite"
	"github.com/muster-iot/muster/wire"
	"github.com/muster-iot/muster/wire/mqtt"
)

// Taker is a device that asks for one chunk of an update after the other, round and round, and sends messages
// meanwhile: when it gets the last of both shows how soon something that was done to it acted.
type Taker struct {
	Ended <-chan struct{} // is closed when the connection ends

	conn    *mqttlite.Conn
	stop    context.CancelFunc
	running sync.WaitGroup

	mu                  sync.Mutex
	offer               *wire.Offer // guarded by mu, as all below
	next                uint32
	chunk, acknowledged time.Time
}

// Take connects, and returns when the first chunk has come, or nil if none comes. Close must be called in the end.
func Take(ctx context.Context, broker mqttlite.Broker, c simulator.Credential) *Taker {
	conn, err := dial(ctx, broker, c, true)
	if err != nil {
		return nil
	}
	ended := make(chan struct{})
	t := &Taker{Ended: ended, conn: conn}
	ctx, t.stop = context.WithCancel(ctx)
	t.running.Go(func() { t.talk(ctx, c.ID) })
	t.running.Go(func() {
		defer close(ended)
		t.listen()
	})
	for began := time.Now(); time.Since(began) < patience && process.Pause(ctx, 50*time.Millisecond) == nil; {
		if chunk, _ := t.Last(); !chunk.IsZero() {
			return t
		}
	}
	t.Close()
	return nil
}

// Close ends the connection.
func (t *Taker) Close() {
	t.stop()
	_ = t.conn.Close()
	t.running.Wait()
}

// Last returns when the last chunk came, and the last acknowledgement of a message.
func (t *Taker) Last() (chunk, acknowledged time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.chunk, t.acknowledged
}

func (t *Taker) talk(ctx context.Context, id fleet.DeviceID) {
	for process.Pause(ctx, 100*time.Millisecond) == nil {
		t.mu.Lock()
		offer, next := t.offer, t.next
		t.mu.Unlock()
		_, err := t.conn.Publish(wire.Topic{Speaker: id, Kind: wire.TopicMessage, Name: "probe"}.String(), 1, []byte("x"))
		if err == nil && offer != nil {
			want := wire.Want{Image: offer.Image(), First: next % offer.Count, Count: 1}
			_, err = t.conn.Publish(wire.Topic{Speaker: id, Kind: wire.TopicWant}.String(), 0, want.Encode())
		}
		if err != nil {
			return // the reader ends, too
		}
	}
}

func (t *Taker) listen() {
	for {
		p, err := t.conn.Read(time.Now().Add(time.Hour))
		if err != nil {
			return
		}
		now := time.Now()
		t.mu.Lock()
		switch {
		case p.Kind == mqtt.PubAck:
			t.acknowledged = now
		case p.Kind == mqtt.Publish:
			t.take(now, p)
		}
		t.mu.Unlock()
	}
}

// take takes what the cloud sent; the caller holds mu.
func (t *Taker) take(now time.Time, p mqtt.Packet) {
	topic, err := wire.ParseTopic(string(p.Topic))
	if err != nil {
		return
	}
	switch topic.Kind {
	case wire.TopicOffer:
		if offer, err := wire.DecodeOffer(p.Payload); err == nil && offer.Count > 0 {
			t.offer, t.next = &offer, offer.First
		}
	case wire.TopicChunk:
		if chunk, err := wire.ParseChunk(p.Payload); err == nil {
			t.chunk, t.next = now, chunk.Index+1
		}
	}
}
