package device

import (
	"fmt"
	"time"

	"github.com/muster-iot/muster/bench/swarm"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/simulator/mqttlite"
	"github.com/muster-iot/muster/wire"
)

// Topic returns a topic of a device.
func Topic(id string, kind wire.TopicKind) string {
	return wire.Topic{Speaker: fleet.DeviceID(id), Kind: kind}.String()
}

// Greeting is the Hello of a device of a product that runs version n.
func Greeting(product string, n uint32) wire.Hello {
	h := wire.NewHello(fleet.WholeVersion(n))
	h.Product = product
	return h
}

// Handshake sends Hello and waits for its Welcome, which must name the running version as
// target: the decision was made, and there is nothing to do. target 0 expects none.
func Handshake(c *mqttlite.Conn, id string, h wire.Hello, target uint32) error {
	w, err := Greet(c, id, h)
	if err != nil {
		return err
	}
	return expect(w, target)
}

// Greet sends Hello and waits for its Welcome.
func Greet(c *mqttlite.Conn, id string, h wire.Hello) (w wire.Welcome, err error) {
	if _, err := c.Publish(Topic(id, wire.TopicHello), 0, h.Encode()); err != nil {
		return w, err
	}
	welcome, deadline := Topic(id, wire.TopicWelcome), time.Now().Add(swarm.ReplyTimeout)
	for {
		payload, err := receive(c, welcome, deadline)
		if err != nil {
			return w, err
		}
		if w, err = wire.DecodeWelcome(payload); err != nil || w.Boot == h.Boot {
			return w, err
		}
	}
}

func expect(w wire.Welcome, target uint32) error {
	want := fleet.Version{}
	if target != 0 {
		want = fleet.WholeVersion(target)
	}
	if w.Reason != wire.ReasonNone || w.Target.String() != want.String() {
		return fmt.Errorf("welcomed with target %q, reason %d (%s); expected target %q", w.Target, w.Reason, w.Why, want)
	}
	return nil
}
