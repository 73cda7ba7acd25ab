package device

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/muster-iot/muster/bench/swarm"
	"github.com/muster-iot/muster/simulator/mqttlite"
	"github.com/muster-iot/muster/wire"
	"github.com/muster-iot/muster/wire/mqtt"
)

// Trickle is a device that downloads at a pace of its own, a window at a time, until it is sent a
// Stop. It reads what comes at once and notes when.
type Trickle struct {
	ID    string
	Conn  *mqttlite.Conn
	Hello wire.Hello
	Pause time.Duration // between two windows
	Phase time.Duration // between the Offer and the first Want, so that devices take turns
	After time.Duration // how long it still reads after the Stop
	Began func()        // called at the first chunk

	LastChunk, Stopped time.Time
	Late               int // chunks after the Stop

	offer *wire.Offer
	next  uint32 // first missing chunk
}

// Run says Hello and downloads until After is over. It fails when the whole image came before a Stop.
func (d *Trickle) Run() error {
	if _, err := d.Conn.Publish(Topic(d.ID, wire.TopicHello), 0, d.Hello.Encode()); err != nil {
		return err
	}
	welcome, offer := Topic(d.ID, wire.TopicWelcome), Topic(d.ID, wire.TopicOffer)
	chunk, stop := Topic(d.ID, wire.TopicChunk), Topic(d.ID, wire.TopicStop)
	until := time.Now().Add(swarm.ReplyTimeout)
	for {
		p, err := d.Conn.Read(until)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded) && !d.Stopped.IsZero():
			return nil
		case errors.Is(err, os.ErrDeadlineExceeded) && d.offer != nil:
			err, until = d.want(), time.Now().Add(d.Pause)
		case err != nil || p.Kind != mqtt.Publish:
		case string(p.Topic) == chunk:
			err = d.take(p.Payload)
		case string(p.Topic) == welcome:
			var w wire.Welcome
			if w, err = wire.DecodeWelcome(p.Payload); err == nil && w.Reason != wire.ReasonNone {
				err = fmt.Errorf("refused: %d, %s", w.Reason, w.Why)
			}
		case string(p.Topic) == offer:
			var o wire.Offer
			o, err = wire.DecodeOffer(p.Payload)
			d.offer, until = &o, time.Now().Add(d.Phase)
		case string(p.Topic) == stop:
			d.Stopped = time.Now()
			until = d.Stopped.Add(d.After)
		}
		if err != nil {
			return err
		}
	}
}

func (d *Trickle) take(payload []byte) error {
	c, err := wire.ParseChunk(payload)
	if err != nil {
		return err
	}
	d.LastChunk = time.Now()
	if !d.Stopped.IsZero() {
		d.Late++
	}
	if d.next == 0 {
		d.Began()
	}
	if d.next = c.Index + 1; d.offer != nil && d.next == d.offer.Count {
		return errors.New("it has the whole image, and was not stopped")
	}
	return nil
}

func (d *Trickle) want() error {
	w := wire.Want{Image: d.offer.Image(), First: d.next, Count: min(d.Hello.Window, d.offer.Count-d.next)}
	_, err := d.Conn.Publish(Topic(d.ID, wire.TopicWant), 0, w.Encode())
	return err
}
