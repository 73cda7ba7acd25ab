package main

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

// download is one device of Muster's that gets a new version: Hello, Welcome, Offer,
// chunks and Wants (docs/protocol.md, "Flow").
type download struct {
	id     string
	conn   *mqttlite.Conn
	hello  wire.Hello
	target uint32 // version

	offer *wire.Offer
	image *assembly
	asked uint32 // chunks below this one are under way or here
	busy  int    // times the server had no capacity
	idle  int    // times nothing came for wire.ChunkTimeout
}

// run sends Hello and returns when the image is complete and its digest right.
func (d *download) run() error {
	if err := d.sayHello(); err != nil {
		return err
	}
	welcome, offer := topic(d.id, wire.TopicWelcome), topic(d.id, wire.TopicOffer)
	chunk, stop := topic(d.id, wire.TopicChunk), topic(d.id, wire.TopicStop)
	quiet := time.Now().Add(swarm.ReplyTimeout)
	for d.image == nil || !d.image.complete() {
		p, err := d.conn.Read(quiet)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			err = d.nudge()
			quiet = time.Now().Add(wire.ChunkTimeout)
		case err != nil || p.Kind != mqtt.Publish:
		case string(p.Topic) == chunk:
			err = d.takeChunk(p.Payload)
			if d.image.next%64 == 0 { // a clock reading for each chunk would be measured, too
				quiet = time.Now().Add(wire.ChunkTimeout)
			}
		case string(p.Topic) == welcome:
			quiet, err = d.takeWelcome(p.Payload)
		case string(p.Topic) == offer:
			err = d.takeOffer(p.Payload)
		case string(p.Topic) == stop:
			err = fmt.Errorf("stopped: %x", p.Payload)
		}
		if err != nil {
			return err
		}
	}
	return d.image.verify()
}

func (d *download) sayHello() error {
	_, err := d.conn.Publish(topic(d.id, wire.TopicHello), 0, d.hello.Encode())
	return err
}

// takeWelcome returns when to send Hello again: soon when the server is busy.
func (d *download) takeWelcome(payload []byte) (time.Time, error) {
	w, err := wire.DecodeWelcome(payload)
	if err != nil {
		return time.Time{}, err
	}
	if w.Reason == wire.ReasonBusy {
		d.busy++
		return time.Now().Add(max(w.Again, time.Second)), nil
	}
	return time.Now().Add(wire.ChunkTimeout), expect(w, d.target)
}

func (d *download) takeOffer(payload []byte) error {
	o, err := wire.DecodeOffer(payload)
	if err != nil {
		return err
	}
	if n, ok := o.Version.Whole(); !ok || n != d.target || o.First != 0 {
		return fmt.Errorf("offered version %s from chunk %d, expected %d from 0", o.Version, o.First, d.target)
	}
	d.offer, d.image = &o, newAssembly(o.Digest, o.Count)
	d.asked = min(d.hello.Window, o.Count)
	return nil
}

// takeChunk stores a chunk and asks for half a window more when no more than half of it
// is left to come.
func (d *download) takeChunk(payload []byte) error {
	if d.image == nil {
		return errors.New("a chunk before its Offer")
	}
	if err := d.image.take(payload); err != nil {
		return err
	}
	half := max(d.hello.Window/2, 1)
	if d.asked == d.image.count || d.asked-d.image.next > half {
		return nil
	}
	first := d.asked
	d.asked = min(d.image.next+d.hello.Window, d.image.count)
	return d.want(first)
}

func (d *download) want(first uint32) error {
	w := wire.Want{Image: d.offer.Image(), First: first, Count: d.asked - first}
	_, err := d.conn.Publish(topic(d.id, wire.TopicWant), 0, w.Encode())
	return err
}

// nudge asks again after nothing has come for too long.
func (d *download) nudge() error {
	if d.image == nil {
		return d.sayHello()
	}
	d.idle++
	return d.want(d.image.next)
}

// finish reports the image as stored and about to run, each with its acknowledgement, as
// a device does before it restarts.
func (d *download) finish() error {
	for _, state := range []wire.ReportState{wire.ReportStored, wire.ReportApplying} {
		report := wire.Report{Image: d.offer.Image(), State: state, Update: d.offer.Update}
		id, err := d.conn.Publish(topic(d.id, wire.TopicReport), 1, report.Encode())
		if err != nil {
			return err
		}
		deadline := time.Now().Add(swarm.ReplyTimeout)
		for {
			p, err := d.conn.Read(deadline)
			if err != nil {
				return fmt.Errorf("waiting for the PUBACK of a Report: %w", err)
			}
			if p.Kind == mqtt.PubAck && p.ID == id {
				break
			}
		}
	}
	return nil
}
