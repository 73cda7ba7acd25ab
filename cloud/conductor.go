package cloud

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/muster-iot/muster/broker"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/handshake"
	"github.com/muster-iot/muster/ota"
	"github.com/muster-iot/muster/registry"
	"github.com/muster-iot/muster/store"
	"github.com/muster-iot/muster/wire"
)

// busyAgain is about how long a device waits that could not be answered.
const busyAgain = 10 * time.Second

// conductor leads a device through the rooms: broker, handshake, ota. It knows which
// devices are online, and reaches them when something happens on the other side.
type conductor struct {
	handshake *handshake.Service
	ota       *ota.Service
	devices   *store.Devices
	messages  *store.Messages
	log       *slog.Logger
	maxAge    time.Duration   // of a session without a Hello
	base      context.Context //nolint:containedctx // the server's own, for what no request carries
	events    *events
	tallies   *tallies

	registry *registry.Registry

	rechecks *rechecks
	runners  sync.WaitGroup // of sessions' errands
	ignored  [ignoredKinds]atomic.Uint64

	mu       sync.Mutex
	sessions map[fleet.DeviceID]*session // online devices; guarded by mu
	partings partings                    // guarded by mu
}

// ignored is why a message had no effect.
type ignored int

const (
	ignoredMalformed ignored = iota
	ignoredRate
	ignoredTopic
	ignoredStranger
	ignoredEarly
	ignoredKinds
)

func (i ignored) String() string {
	return [...]string{"malformed", "rate", "topic", "not_attached", "before_hello"}[i]
}

// Admit implements broker.Cloud.
func (c *conductor) Admit(ctx context.Context, connect broker.Connect) (broker.Session, error) {
	admitted, err := c.handshake.Admit(ctx, handshake.Claim{
		ID: connect.ID, User: connect.User, Secret: connect.Password, Address: connect.Address,
	})
	if err != nil {
		return nil, err
	}
	s := c.newSession(admitted, connect.Link, nil)
	if s.Gateway() {
		s.children = newChildren()
	}
	return s, nil
}

// newSession returns a session on link, which is that of gateway where it is not nil.
func (c *conductor) newSession(device *handshake.Session, link *broker.Link, gateway *session) *session {
	s := &session{
		conductor: c, device: device, link: link, gateway: gateway,
		messages: rate.NewLimiter(rate.Every(wire.MessageInterval), wire.MessageBurst),
		hellos:   rate.NewLimiter(rate.Every(wire.HelloInterval), wire.HelloBurst),
		wants:    rate.NewLimiter(rate.Every(wire.WantInterval), wire.WantBurst),
	}
	s.chunks = link.Chunks(s.topic(wire.TopicChunk))
	return s
}

// join makes s its device's session. The broker has ended the older one before.
func (c *conductor) join(s *session) {
	c.mu.Lock()
	c.sessions[s.id()] = s
	c.mu.Unlock()
	c.devices.SetOnline(s.id(), true)
	c.Announce(fleet.Event{Payload: fleet.StatusChanged{Status: fleet.StatusOnline}, Team: s.device.Team(), Device: s.id(), At: time.Now()})
}

func (c *conductor) leave(s *session) {
	c.mu.Lock()
	current := c.sessions[s.id()] == s
	if current {
		delete(c.sessions, s.id())
	}
	c.mu.Unlock()
	c.ota.Gone(c.base, s.id(), s.toDevice())
	if current {
		c.devices.SetOnline(s.id(), false)
		c.Announce(fleet.Event{Payload: fleet.StatusChanged{Status: fleet.StatusOffline}, Team: s.device.Team(), Device: s.id(), At: time.Now()})
	}
}

func (c *conductor) session(id fleet.DeviceID) *session {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sessions[id]
}

// all is every online session, in no order.
func (c *conductor) all() []*session {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make([]*session, 0, len(c.sessions))
	for _, s := range c.sessions {
		all = append(all, s)
	}
	return all
}

// Online reports whether device id is connected.
func (c *conductor) Online(id fleet.DeviceID) bool { return c.session(id) != nil }

// Recheck has it decided again what each of ids should run, for those that are online:
// soon, and a few at a time. It never blocks.
func (c *conductor) Recheck(ids ...fleet.DeviceID) {
	for _, id := range ids {
		if c.Online(id) {
			c.rechecks.add(id, ota.AtChange)
		}
	}
}

// slot has it decided again for a device that waited for a free slot.
func (c *conductor) slot(id fleet.DeviceID) { c.rechecks.add(id, ota.AtSlot) }

// changed follows a change of product's releases: running downloads that are not wanted
// any more give way, and the devices in now are decided again at once.
func (c *conductor) changed(product fleet.ProductID, now []fleet.DeviceID) {
	c.Recheck(c.ota.Downloading(product)...)
	c.Recheck(now...)
}

// recheckPatience is how long a device that takes no bytes keeps a rechecker from the
// next device.
const recheckPatience = time.Second

func (c *conductor) recheck(ctx context.Context, id fleet.DeviceID, at ota.Occasion) {
	s := c.session(id)
	if s == nil {
		c.ota.Gone(ctx, id, nil) // a slot was kept for it
		return
	}
	e := errandDecide
	if at == ota.AtSlot {
		e = errandSlot
	}
	patience := time.NewTimer(recheckPatience)
	defer patience.Stop()
	select {
	case <-s.run(e):
	case <-patience.C:
	case <-ctx.Done():
	}
}

// Kick ends the connection of device id: it was disabled, deleted, given another secret
// or attached to another gateway. The connection that carries a BLE device is others' too
// and goes on.
func (c *conductor) Kick(id fleet.DeviceID) {
	if s := c.part(id); s != nil && s.gateway == nil {
		s.link.Close(fleet.Disabled)
	}
}

// Command sends device id the commands that wait for it, soon. It never blocks.
func (c *conductor) Command(id fleet.DeviceID) {
	if s := c.session(id); s != nil {
		s.run(errandCommands)
	}
}

// keep makes a device message durable.
func (c *conductor) keep(ctx context.Context, d *handshake.Session, t wire.Topic, payload []byte) error {
	m := fleet.Message{Team: d.Team(), Device: d.ID(), Topic: t.String(), Payload: payload, Received: time.Now()}
	if _, err := c.messages.Append(ctx, m); err != nil {
		return err
	}
	c.Announce(fleet.Event{Payload: fleet.MessageReceived{Topic: m.Topic, Size: len(payload)}, Team: m.Team, Device: m.Device, At: m.Received})
	return nil
}

func (c *conductor) finish(ctx context.Context, d *handshake.Session, number uint32, result []byte) error {
	if err := c.messages.Finish(ctx, d.ID(), number, result); err != nil {
		return err
	}
	c.Announce(fleet.Event{Payload: fleet.CommandChanged{Number: number}, Team: d.Team(), Device: d.ID(), At: time.Now()})
	return nil
}

// greeted announces and counts a handshake of d, and what it changed.
func (c *conductor) greeted(ctx context.Context, d *fleet.Device, past []fleet.Update) {
	c.Announce(fleet.Event{Payload: fleet.HandshakeDone{}, Team: d.Team, Product: d.Product, Device: d.ID, At: time.Now()})
	c.tallies.handshake(d.Product)
	c.changedUpdates(ctx, d, past)
}

// changedUpdates announces and counts how d's updates stand after a decision or a report:
// those in past, which ended now, and the running one. It raises alerts for what a person
// should look at.
func (c *conductor) changedUpdates(ctx context.Context, d *fleet.Device, past []fleet.Update) {
	c.announceUpdates(d, past)
	for _, u := range past {
		c.tallies.ended(d.Product, u)
	}
	for _, u := range past {
		if u.State == fleet.RolledBack {
			c.raise(ctx, d, "rolled_back", "version "+u.To.String()+" did not stay: it came back with "+d.Running.String())
		}
		if (u.State == fleet.RolledBack || u.State == fleet.Failed) && d.Attempts.Target.Equal(u.To) && c.ota.Exhausted(d) {
			c.raise(ctx, d, "update_exhausted", "all attempts at version "+u.To.String()+" failed, the last: "+wire.ReasonText(u.Reason))
		}
	}
}

func (c *conductor) raise(ctx context.Context, d *fleet.Device, name, text string) {
	a := fleet.Alert{Team: d.Team, Device: d.ID, Name: name, Text: text, Raised: time.Now()}
	if err := c.alert(ctx, a); err != nil {
		c.log.Warn("alert not raised", "device", d.ID, "alert", name, "err", err)
	}
}

// alert makes an alert durable and tells of it.
func (c *conductor) alert(ctx context.Context, a fleet.Alert) error {
	if _, err := c.messages.Raise(ctx, a); err != nil {
		return err
	}
	c.Announce(fleet.Event{Payload: fleet.AlertRaised{Type: a.Type, Alert: a.Name, Text: a.Text}, Team: a.Team, Device: a.Device, At: a.Raised})
	return nil
}

// refreshEvery is how often it is looked for sessions that are due.
const refreshEvery = 5 * time.Second

// refresh asks sessions that are due for a new Hello: those older than maxAge, less up to
// a tenth, so that devices which never disconnect are reached by releases too, and those
// with a failed update whose cool-down is over. It runs until ctx ends.
func (c *conductor) refresh(ctx context.Context) {
	tick := time.NewTicker(min(max(c.maxAge/100, 100*time.Millisecond), refreshEvery))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			for _, s := range c.all() {
				s.refresh(now, c.maxAge)
			}
		}
	}
}

func (s *session) refresh(now time.Time, maxAge time.Duration) {
	due := s.due.Load()
	if due == 0 || now.UnixNano() < due {
		return
	}
	if s.due.CompareAndSwap(due, now.Add(maxAge).UnixNano()) { // else a Hello just came
		s.run(errandHello)
	}
}

// askAt sets when the device is asked for a new Hello.
func (s *session) askAt(at time.Time) { s.due.Store(at.UnixNano()) }

// tenth is up to a tenth of d, at random.
func tenth(d time.Duration) time.Duration { return time.Duration(rand.Int64N(int64(d)/10 + 1)) }

// jitter is d give or take half.
func jitter(d time.Duration) time.Duration {
	return d/2 + time.Duration(rand.Int64N(int64(d)+1))
}
