package device

import (
	"context"
	"net"
	"sync"
	"time"

	"github.com/muster-iot/muster/bench/process"
	"github.com/muster-iot/muster/simulator"
	"github.com/muster-iot/muster/simulator/mqttlite"
	"github.com/muster-iot/muster/wire"
	"github.com/muster-iot/muster/wire/mqtt"
)

// patience is how long a device waits for a Welcome.
const patience = 5 * time.Second

// Greet connects and shakes hands within a few seconds, for a device that takes no updates now.
func Greet(ctx context.Context, broker mqttlite.Broker, c simulator.Credential) (*mqttlite.Conn, wire.Welcome, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	conn, err := dial(ctx, broker, c, false)
	if err != nil {
		return nil, wire.Welcome{}, err
	}
	deadline, _ := ctx.Deadline()
	for err == nil {
		var p mqtt.Packet
		if p, err = conn.Read(deadline); err != nil || p.Kind != mqtt.Publish {
			continue
		}
		topic, wrong := wire.ParseTopic(string(p.Topic))
		if wrong != nil || topic.Kind != wire.TopicWelcome {
			continue
		}
		var welcome wire.Welcome
		if welcome, err = wire.DecodeWelcome(p.Payload); err == nil {
			return conn, welcome, nil
		}
	}
	_ = conn.Close()
	return nil, wire.Welcome{}, err
}

// dial connects and says Hello.
func dial(ctx context.Context, broker mqttlite.Broker, c simulator.Credential, updates bool) (*mqttlite.Conn, error) {
	id := c.ID.String()
	conn, err := mqttlite.Dial(ctx, broker, mqtt.Client{ID: id, User: id, Password: c.Secret, KeepAlive: 30 * time.Second})
	if err != nil {
		return nil, err
	}
	hello := wire.NewHello(c.Version)
	hello.UpdatesOn = updates
	if _, err := conn.Publish(wire.Topic{Speaker: c.ID, Kind: wire.TopicHello}.String(), 0, hello.Encode()); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return conn, nil
}

// prompt is how soon after it is due a handshake has to be over.
const prompt = time.Second

// Pulse is a device that shakes hands as often as a device may: when it can shows which part of the
// Cluster is there.
type Pulse struct {
	Credential simulator.Credential

	mu         sync.Mutex
	handshakes []handshake // guarded by mu
}

type handshake struct{ due, done time.Time } // done is zero until then, and when it failed

// Run begins after a while, so that the pulses take turns, which they keep also when one of them had to wait.
func (p *Pulse) Run(ctx context.Context, dial func(context.Context) (net.Conn, error), after time.Duration) {
	const every = wire.HelloInterval + 500*time.Millisecond
	for due := time.Now().Add(after); process.Pause(ctx, time.Until(due)) == nil; due = due.Add(every) {
		p.mu.Lock()
		n := len(p.handshakes)
		p.handshakes = append(p.handshakes, handshake{due: due})
		p.mu.Unlock()
		conn, _, err := Greet(ctx, mqttlite.Broker{Dialer: dial}, p.Credential)
		if err == nil {
			p.mu.Lock()
			p.handshakes[n].done = time.Now()
			p.mu.Unlock()
			_ = conn.Close()
		}
	}
}

// count counts the handshakes that f selects.
func count(all []*Pulse, f func(handshake) bool) (n int) {
	for _, p := range all {
		p.mu.Lock()
		for _, h := range p.handshakes {
			if f(h) {
				n++
			}
		}
		p.mu.Unlock()
	}
	return n
}

// Served reports whether any of these has shaken hands since a moment.
func Served(all []*Pulse, since time.Time) bool {
	return count(all, func(h handshake) bool { return h.done.After(since) }) > 0
}

// Prompt returns how many handshakes of these were due between two moments, and the part of them, 0 to 1, that
// was over within a second. to is at least a second ago.
func Prompt(all []*Pulse, from, to time.Time) (due int, part float64) {
	within := func(h handshake) bool { return !h.due.Before(from) && h.due.Before(to) }
	due = count(all, within)
	part = float64(count(all, func(h handshake) bool {
		return within(h) && !h.done.IsZero() && h.done.Sub(h.due) <= prompt
	})) / float64(max(due, 1))
	return due, part
}
