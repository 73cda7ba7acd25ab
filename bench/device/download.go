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

// Download is one device of Muster's that gets a new version: Hello, Welcome, Offer,
// chunks and Wants (docs/protocol.md, "Flow").
type Download struct {
	ID     string
	Conn   *mqttlite.Conn
	Hello  wire.Hello
	Target uint32 // version

	offer *wire.Offer
	image *Assembly
	asked uint32 // chunks below this one are under way or here
	Busy  int    // times the server had no capacity
	Idle  int    // times nothing came for wire.ChunkTimeout
}

// Run sends Hello and returns when the image is complete and its digest right.
func (d *Download) Run() error {
	if err := d.sayHello(); err != nil {
		return err
	}
	welcome, offer := Topic(d.ID, wire.TopicWelcome), Topic(d.ID, wire.TopicOffer)
	chunk, stop := Topic(d.ID, wire.TopicChunk), Topic(d.ID, wire.TopicStop)
	quiet := time.Now().Add(swarm.ReplyTimeout)
	for d.image == nil || !d.image.Complete() {
		p, err := d.Conn.Read(quiet)
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
	return d.image.Verify()
}

func (d *Download) sayHello() error {
	_, err := d.Conn.Publish(Topic(d.ID, wire.TopicHello), 0, d.Hello.Encode())
	return err
}

// takeWelcome returns when to send Hello again: soon when the server is busy.
func (d *Download) takeWelcome(payload []byte) (time.Time, error) {
	w, err := wire.DecodeWelcome(payload)
	if err != nil {
		return time.Time{}, err
	}
	if w.Reason == wire.ReasonBusy {
		d.Busy++
		return time.Now().Add(max(w.Again, time.Second)), nil
	}
	return time.Now().Add(wire.ChunkTimeout), expect(w, d.Target)
}

func (d *Download) takeOffer(payload []byte) error {
	o, err := wire.DecodeOffer(payload)
	if err != nil {
		return err
	}
	if n, ok := o.Version.Whole(); !ok || n != d.Target || o.First != 0 {
		return fmt.Errorf("offered version %s from chunk %d, expected %d from 0", o.Version, o.First, d.Target)
	}
	d.offer, d.image = &o, NewAssembly(o.Digest, o.Count)
	d.asked = min(d.Hello.Window, o.Count)
	return nil
}

// takeChunk stores a chunk and asks for half a window more when no more than half of it
// is left to come.
func (d *Download) takeChunk(payload []byte) error {
	if d.image == nil {
		return errors.New("a chunk before its Offer")
	}
	if err := d.image.Take(payload); err != nil {
		return err
	}
	half := max(d.Hello.Window/2, 1)
	if d.asked == d.image.count || d.asked-d.image.next > half {
		return nil
	}
	first := d.asked
	d.asked = min(d.image.next+d.Hello.Window, d.image.count)
	return d.want(first)
}

func (d *Download) want(first uint32) error {
	w := wire.Want{Image: d.offer.Image(), First: first, Count: d.asked - first}
	_, err := d.Conn.Publish(Topic(d.ID, wire.TopicWant), 0, w.Encode())
	return err
}

// nudge asks again after nothing has come for too long.
func (d *Download) nudge() error {
	if d.image == nil {
		return d.sayHello()
	}
	d.Idle++
	return d.want(d.image.next)
}

// Finish reports the image as stored and about to run, each with its acknowledgement, as
// a device does before it restarts.
func (d *Download) Finish() error {
	for _, state := range []wire.ReportState{wire.ReportStored, wire.ReportApplying} {
		report := wire.Report{Image: d.offer.Image(), State: state, Update: d.offer.Update}
		id, err := d.Conn.Publish(Topic(d.ID, wire.TopicReport), 1, report.Encode())
		if err != nil {
			return err
		}
		deadline := time.Now().Add(swarm.ReplyTimeout)
		for {
			p, err := d.Conn.Read(deadline)
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
