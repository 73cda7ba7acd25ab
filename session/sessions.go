package session

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/muster-iot/muster/activity"
	"github.com/muster-iot/muster/broker"
	"github.com/muster-iot/muster/configs"
	"github.com/muster-iot/muster/event"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/handshake"
	"github.com/muster-iot/muster/ota"
	"github.com/muster-iot/muster/quota"
	"github.com/muster-iot/muster/roaming"
	"github.com/muster-iot/muster/store"
	"github.com/muster-iot/muster/wire"
)

// Config is what the Sessions work with.
type Config struct {
	Devices  *store.Devices
	Catalogs *store.Catalogs
	Messages *store.Messages
	Shared   *store.Store // which servers share, or not
	Activity *activity.Activity
	MQTT     configs.MQTT
	Quota    *quota.Places // of connections; nil: none
	MaxAge   time.Duration // of a session without a Hello
	Log      *slog.Logger
}

// Sessions are the devices that are online, from connection through handshake to updates.
// They implement broker.Cloud and registry.Live and are safe for concurrent use.
type Sessions struct {
	handshake *handshake.Service
	ota       *ota.Service
	roaming   *roaming.Roaming
	devices   *store.Devices
	messages  *store.Messages
	shared    *store.Store
	activity  *activity.Activity
	limits    *limits
	quota     *quota.Places
	upkeep    *upkeep
	rechecks  *rechecks
	looks     *rechecks // at devices that other servers have changed
	others    *rechecks // of devices of other servers
	log       *slog.Logger
	maxAge    time.Duration
	base      context.Context //nolint:containedctx // the server's own, for work that no request asks for

	workers sync.WaitGroup // the sessions' tasks
	ignored [ignoredKinds]atomic.Uint64

	mu          sync.Mutex
	online      map[fleet.DeviceID]*session // guarded by mu
	detachments detachments                 // guarded by mu
}

// New returns Sessions without a device. Use must be called next. base ends with the server.
func New(base context.Context, config Config) *Sessions {
	c := &Sessions{
		devices: config.Devices, messages: config.Messages, shared: config.Shared, activity: config.Activity, limits: newLimits(config.MQTT), quota: config.Quota,
		upkeep: newUpkeep(), rechecks: newRechecks(), looks: newRechecks(), others: newRechecks(), log: config.Log, maxAge: config.MaxAge, base: base,
		online: make(map[fleet.DeviceID]*session),
	}
	c.handshake = handshake.New(handshake.Config{Node: config.Shared.Nodes().ID(), Log: config.Log, Guessed: func(g handshake.Guess) {
		c.workers.Go(func() { c.activity.Guessed(base, g) })
	}}, config.Devices, config.Catalogs)
	return c
}

// Use sets what the sessions call, which calls them back.
func (c *Sessions) Use(o *ota.Service, r *roaming.Roaming) { c.ota, c.roaming = o, r }

// Run does what no device asks for, until ctx ends; then it waits for the sessions' tasks.
func (c *Sessions) Run(ctx context.Context) {
	var tasks sync.WaitGroup
	tasks.Go(func() { c.refresh(ctx) })
	tasks.Go(func() {
		c.rechecks.run(ctx, func(id fleet.DeviceID, at ota.Occasion) { c.recheck(ctx, id, at) })
	})
	tasks.Go(func() { c.keepUp(ctx) })
	if c.shared.Nodes() != nil {
		tasks.Go(func() { c.looks.run(ctx, func(id fleet.DeviceID, _ ota.Occasion) { c.await(ctx, id, taskLook) }) })
		tasks.Go(func() { c.others.run(ctx, func(id fleet.DeviceID, _ ota.Occasion) { _ = c.shared.Decide(ctx, id) }) })
		tasks.Go(func() { c.follow(ctx) })
	}
	tasks.Wait()
	c.workers.Wait()
}

// Handshakes counts handshakes since the server started.
func (c *Sessions) Handshakes() handshake.Stats { return c.handshake.Stats() }

// Ignored counts the messages that had no effect, by reason.
func (c *Sessions) Ignored() map[string]uint64 {
	counts := make(map[string]uint64, ignoredKinds)
	for why := range c.ignored {
		counts[ignored(why).String()] = c.ignored[why].Load()
	}
	return counts
}

// SlotFree re-evaluates a device for which ota has reserved a slot. It never blocks.
func (c *Sessions) SlotFree(id fleet.DeviceID) { c.rechecks.add(id, ota.AtSlot) }

// Admit implements broker.Cloud.
func (c *Sessions) Admit(ctx context.Context, connect broker.Connect) (broker.Session, error) {
	admitted, err := c.handshake.Admit(ctx, handshake.Claim{
		ID: connect.ID, User: connect.User, Secret: connect.Password, Address: connect.Address,
	})
	if err != nil {
		return nil, err
	}
	s := c.newSession(admitted, connect.Link, nil, connect.Address)
	s.place, err = c.quota.Renew(admitted.Team(), admitted.ID().String(), func() { connect.Link.Close(fleet.Busy) })
	if err != nil {
		admitted.End()
		c.overQuota(admitted, err)
		return nil, err
	}
	if s.Gateway() {
		s.children = newChildren()
	}
	c.connected(admitted)
	return s, nil
}

// Messages returns how many messages of a team's devices came in the last second.
func (c *Sessions) Messages(team fleet.TeamID) int { return c.limits.recent.PerSecond(team) }

// overQuota raises an alert, once an hour and team, about a device that its team's quota keeps out.
func (c *Sessions) overQuota(device *handshake.Session, err error) {
	if quota.Exceeded(err) && c.limits.overQuota.Take(device.Team()) {
		c.workers.Go(func() {
			c.activity.RaiseFor(c.base, device.Team(), device.ID(), "quota_exceeded", "the device could not connect: "+err.Error())
		})
	}
}

// newSession returns a session on link, which is that of gateway where it is not nil.
func (c *Sessions) newSession(device *handshake.Session, link *broker.Link, gateway *session, address string) *session {
	s := &session{
		sessions: c, device: device, link: link, gateway: gateway, address: address,
		wants: rate.NewLimiter(rate.Every(wire.WantInterval), wire.WantBurst),
	}
	if heard := device.Heard(); !heard.IsZero() {
		s.noted.Store(heard.UnixNano())
	}
	s.chunks = link.Chunks(s.topic(wire.TopicChunk))
	return s
}

// join makes s its device's session. The broker has ended an older one before.
func (c *Sessions) join(s *session) {
	s.began = time.Now()
	c.mu.Lock()
	c.online[s.ID()] = s
	c.mu.Unlock()
	c.showOnline(s, true, event.StatusOnline)
}

func (c *Sessions) showOnline(s *session, online bool, status event.Status) {
	c.devices.SetOnline(s.ID(), online)
	c.activity.Publish(event.Event{Payload: event.StatusChanged{Status: status}, Team: s.device.Team(), Device: s.ID(), At: time.Now()})
}

// leave ends what s had running; its device is offline unless it has another session.
func (c *Sessions) leave(s *session) {
	c.mu.Lock()
	current := c.online[s.ID()] == s
	if current {
		delete(c.online, s.ID())
	}
	c.mu.Unlock()
	c.ota.Gone(s.ID(), s.toDevice())
	if current {
		c.showOnline(s, false, event.StatusOffline)
	}
}

// find returns the session of a device, nil when it is offline.
func (c *Sessions) find(id fleet.DeviceID) *session {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.online[id]
}

// all is every session, in no order.
func (c *Sessions) all() []*session {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make([]*session, 0, len(c.online))
	for _, s := range c.online {
		all = append(all, s)
	}
	return all
}

// Announce implements registry.Live.
func (c *Sessions) Announce(e event.Event) { c.activity.Publish(e) }

// Recheck implements registry.Live: devices that are online are re-evaluated soon, a few at
// a time, also those of other servers. It never blocks.
func (c *Sessions) Recheck(ids ...fleet.DeviceID) {
	for _, id := range ids {
		if !c.recheckOwn(id) {
			c.elsewhere(id)
		}
	}
}

func (c *Sessions) recheckOwn(id fleet.DeviceID) (own bool) {
	own = c.find(id) != nil
	if own {
		c.rechecks.add(id, ota.AtChange)
	}
	return own
}

// Released follows a change of product's releases: downloads of a version that is no longer
// the target end, and the devices in now are re-evaluated at once, as far as they are connected to this
// server: each server follows.
func (c *Sessions) Released(product fleet.ProductID, now []fleet.DeviceID) {
	for _, id := range slices.Concat(c.ota.Downloading(product), now) {
		c.recheckOwn(id)
	}
}

// Kick implements registry.Live: it ends the session of a device that was disabled, deleted,
// given another secret or attached to another gateway. A gateway's connection stays open
// when a device behind it is kicked.
func (c *Sessions) Kick(id fleet.DeviceID) {
	if s := c.detach(id); s != nil && s.gateway == nil {
		s.link.Close(fleet.Disabled)
	}
}

// Command implements registry.Live: it sends a device its pending commands, soon. It never
// blocks.
func (c *Sessions) Command(id fleet.DeviceID) {
	if s := c.find(id); s != nil {
		s.run(taskCommands)
	}
}

// refreshEvery is the longest time between two looks for sessions that are due.
const refreshEvery = 5 * time.Second

// refresh asks sessions that are due for a new Hello: those older than maxAge, less up to a
// tenth, so that releases reach devices that never disconnect, and those whose cool-down
// after a failed update is over. It runs until ctx ends.
func (c *Sessions) refresh(ctx context.Context) {
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
	if due == nil || now.Before(*due) {
		return
	}
	if s.due.CompareAndSwap(due, new(now.Add(maxAge))) { // else a Hello has just come
		s.run(taskAskHello)
	}
}

// askAt sets when the device is asked for a new Hello. at comes from time.Now, so that a step of
// the machine's clock changes nothing.
func (s *session) askAt(at time.Time) { s.due.Store(&at) }

// tenth is up to a tenth of d, at random.
func tenth(d time.Duration) time.Duration { return time.Duration(rand.Int64N(int64(d)/10 + 1)) }

// jitter is d plus or minus up to half of it.
func jitter(d time.Duration) time.Duration {
	return d/2 + time.Duration(rand.Int64N(int64(d)+1))
}
