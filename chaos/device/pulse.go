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
	id := c.ID.String()
	conn, err := mqttlite.Dial(ctx, broker, mqtt.Client{ID: id, User: id, Password: c.Secret, KeepAlive: 30 * time.Second})
	if err != nil {
		return nil, wire.Welcome{}, err
	}
	hello := wire.NewHello(c.Version)
	hello.UpdatesOn = false
	_, err = conn.Publish(wire.Topic{Speaker: c.ID, Kind: wire.TopicHello}.String(), 0, hello.Encode())
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

// Pulse is a device that shakes hands as often as a device may: when it can shows which part of the
// Cluster is there.
type Pulse struct {
	Credential simulator.Credential

	mu    sync.Mutex
	times []time.Time // of handshakes; guarded by mu
}

// Run begins after a while, so that the pulses take turns, which they keep also when one of them had to wait.
func (p *Pulse) Run(ctx context.Context, dial func(context.Context) (net.Conn, error), after time.Duration) {
	const every = wire.HelloInterval + 500*time.Millisecond
	began := time.Now().Add(after)
	for next := after; process.Pause(ctx, next) == nil; next = every - time.Since(began)%every {
		conn, _, err := Greet(ctx, mqttlite.Broker{Dialer: dial}, p.Credential)
		if err == nil {
			p.mu.Lock()
			p.times = append(p.times, time.Now())
			p.mu.Unlock()
			_ = conn.Close()
		}
	}
}

// between is how many handshakes there were in a time.
func (p *Pulse) between(from, to time.Time) (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, at := range p.times {
		if !at.Before(from) && at.Before(to) {
			n++
		}
	}
	return n
}

// Rate is how many there were per second of all these.
func Rate(all []*Pulse, from, to time.Time) float64 {
	n := 0
	for _, p := range all {
		n += p.between(from, to)
	}
	return float64(n) / max(to.Sub(from).Seconds(), 0.001)
}
