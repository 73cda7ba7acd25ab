package ble

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"sync"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
	"github.com/muster-iot/muster/wire/mqtt"
)

// Radio is the radio between gateways and their BLE devices. The zero value is perfect.
type Radio struct {
	Rate   int64         // bytes per second to each device; 0: no limit
	Delay  time.Duration // of each message to a device
	Loss   float64       // share of chunks lost on their way to a device, 0 to 1
	Roam   time.Duration // a device moves to another gateway about this often; 0: never
	Caches bool          // gateways fetch an image once for all their devices
}

var (
	errOutOfReach = errors.New("out of the gateway's reach")
	errDetached   = errors.New("the cloud answered that it is not attached")
)

// air is the connection of one BLE device through its gateway, behind the same methods as
// one of its own. Read is called by one goroutine, the other methods by any.
type air struct {
	trunk *trunk
	child fleet.DeviceID

	mu     sync.Mutex
	queue  []late        // on their way to the device, in order; guarded by mu
	busy   time.Time     // until when the radio transmits; guarded by mu
	woken  bool          // guarded by mu
	why    error         // why it has ended; guarded by mu
	notice chan struct{} // holds one token when something above changed
}

// late is a packet with the time it arrives.
type late struct {
	packet mqtt.Packet
	due    time.Time
}

func newAir(t *trunk, child fleet.DeviceID) *air {
	a := &air{trunk: t, child: child, notice: make(chan struct{}, 1)}
	if roam := t.gateway.radio.Roam; roam > 0 {
		after := roam - roam/10 + time.Duration(rand.Int64N(int64(roam)/5+1)) //nolint:gosec // no secret
		time.AfterFunc(after, func() { a.end(errOutOfReach) })
	}
	return a
}

// Publish publishes through the gateway. A Want of an image that the gateway has, or is
// fetching, goes no further.
func (a *air) Publish(topic string, qos byte, payload []byte) (uint16, error) {
	a.mu.Lock()
	why := a.why
	a.mu.Unlock()
	if why != nil {
		return 0, why
	}
	t, err := wire.ParseTopic(topic)
	if err != nil {
		return 0, err
	}
	if t.Kind == wire.TopicWant && a.trunk.serves(a, payload) {
		return 0, nil
	}
	t.Speaker = a.trunk.gateway.id
	return a.trunk.publishFor(a, t.String(), qos, payload)
}

// deliver sends a packet to the device. Its bytes are copied.
func (a *air) deliver(p mqtt.Packet, chunk bool) {
	radio := a.trunk.gateway.radio
	if chunk && rand.Float64() < radio.Loss { //nolint:gosec // no secret
		return
	}
	p.Topic, p.Payload = bytes.Clone(p.Topic), bytes.Clone(p.Payload)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.why != nil {
		return
	}
	if now := time.Now(); a.busy.Before(now) {
		a.busy = now
	}
	if radio.Rate > 0 {
		a.busy = a.busy.Add(time.Duration(float64(len(p.Payload)) / float64(radio.Rate) * float64(time.Second)))
	}
	a.queue = append(a.queue, late{p, a.busy.Add(radio.Delay)})
	a.signal()
}

func (a *air) signal() {
	select {
	case a.notice <- struct{}{}:
	default:
	}
}

// Read implements Conn.
func (a *air) Read(deadline time.Time) (mqtt.Packet, error) {
	for {
		p, until, err := a.next(deadline)
		if err != nil || p.Kind != 0 {
			return p, err
		}
		if until.IsZero() {
			<-a.notice
			continue
		}
		timer := time.NewTimer(time.Until(until))
		select {
		case <-a.notice:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// next is what has arrived, or else when to look again.
func (a *air) next(deadline time.Time) (p mqtt.Packet, until time.Time, err error) {
	now := time.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.why != nil:
		return p, until, a.why
	case len(a.queue) > 0 && !a.queue[0].due.After(now):
		p, a.queue = a.queue[0].packet, a.queue[1:]
		return p, until, nil
	case a.woken, !deadline.IsZero() && !deadline.After(now):
		a.woken = false
		return p, until, os.ErrDeadlineExceeded
	}
	until = deadline
	if len(a.queue) > 0 && (until.IsZero() || a.queue[0].due.Before(until)) {
		until = a.queue[0].due
	}
	return p, until, nil
}

// Wake implements Conn.
func (a *air) Wake() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.woken = true
	a.signal()
}

// Disconnect leaves the gateway's reach: BLE has no DISCONNECT.
func (a *air) Disconnect() error { return a.Close() }

// Close leaves the gateway's reach.
func (a *air) Close() error {
	a.end(errOutOfReach)
	return nil
}

// end ends it once, for why.
func (a *air) end(why error) {
	a.mu.Lock()
	if a.why == nil {
		a.why = why
		a.queue = nil
		a.signal()
	}
	a.mu.Unlock()
	a.trunk.forget(a)
}
