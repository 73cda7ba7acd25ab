package session

import (
	"context"
	"errors"
	"hash/maphash"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/muster-iot/muster/devicelog"
	"github.com/muster-iot/muster/event"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/handshake"
	"github.com/muster-iot/muster/wire"
)

// How many messages of devices without a session a gateway may relay: each costs a round
// trip to the store and an answer.
const (
	UnattachedBurst    = 50
	unattachedInterval = 100 * time.Millisecond
)

// children are the BLE devices with a session on a gateway's connection. A session begins
// with the device's first message; whether the device is attached is in its record.
type children struct {
	unattached *rate.Limiter // of the gateway's messages for devices without a session

	mu   sync.Mutex
	byID map[fleet.DeviceID]*session // guarded by mu
}

func newChildren() *children {
	return &children{
		unattached: rate.NewLimiter(rate.Every(unattachedInterval), UnattachedBurst),
		byID:       make(map[fleet.DeviceID]*session),
	}
}

func (c *children) find(id fleet.DeviceID) *session {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.byID[id]
}

func (c *children) all() []*session {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make([]*session, 0, len(c.byID))
	for _, s := range c.byID {
		all = append(all, s)
	}
	return all
}

func (c *children) add(child *session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.byID[child.ID()] = child
}

// remove removes child unless another session has taken its place.
func (c *children) remove(child *session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.byID[child.ID()] == child {
		delete(c.byID, child.ID())
	}
}

// receiveFor handles a message that gateway s relays for a BLE device. An error in it
// concerns that device alone, since other devices share the connection. The connection ends
// only when something that has to be durable could not be written, because the message must
// not be acknowledged then.
func (s *session) receiveFor(ctx context.Context, t wire.Topic, payload []byte) error {
	if t.Kind != wire.TopicWant { // which has a limit of its own
		if err := wait(ctx, s.sessions.limits.gateways, s.ID()); err != nil {
			return err
		}
	}
	child, err := s.child(ctx, t.Child.In(s.device.Team()))
	if err == nil {
		err = child.unlessMoved(ctx, child.receive(ctx, t, payload))
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errLimited):
		return s.ignore(t, ignoredRate)
	case errors.Is(err, fleet.Unavailable), errors.Is(err, fleet.Busy):
		return err
	case errors.Is(err, errEarly):
		return s.stop(t, payload, wire.ReasonNotNow, ignoredEarly)
	}
	if child != nil {
		s.sessions.end(child, devicelog.Detached)
	}
	return s.stop(t, payload, wire.ReasonNotAttached, ignoredUnattached)
}

// stop answers a message that has no effect with a Stop.
func (s *session) stop(t wire.Topic, payload []byte, reason fleet.ReasonCode, why ignored) error {
	stop := wire.Stop{Reason: reason}
	switch t.Kind {
	case wire.TopicWant:
		if w, err := wire.DecodeWant(payload); err == nil {
			stop.Image = w.Image
		}
	case wire.TopicReport:
		if r, err := wire.DecodeReport(payload); err == nil {
			stop.Image, stop.Update = r.Image, r.Update
		}
	}
	if err := s.link.Send(wire.Topic{Speaker: s.ID(), Child: t.Child, Kind: wire.TopicStop}, stop.Encode()); err != nil {
		return err
	}
	return s.ignore(t, why)
}

// maxAdmissions bounds how often a record is read again because its device was detached
// meanwhile.
const maxAdmissions = 8

// child returns the session of a BLE device behind gateway s and begins it at the first
// message. Errors: fleet.Denied when the device is not attached to s, errLimited,
// fleet.Unavailable.
func (s *session) child(ctx context.Context, id fleet.DeviceID) (*session, error) {
	if child := s.children.find(id); child != nil {
		return child, nil
	}
	if !s.children.unattached.Allow() {
		return nil, errLimited
	}
	for range maxAdmissions {
		before := s.sessions.detached(id)
		device, err := s.sessions.handshake.AdmitAttached(ctx, s.device, id)
		if err != nil {
			return nil, err
		}
		if child := s.beginChild(device, before); child != nil {
			return child, nil
		}
	}
	return nil, fleet.Errorf(fleet.Unavailable, "device %s keeps moving", id)
}

// beginChild begins the session of a BLE device. It returns nil when the device was detached
// since its detachments were counted as before: its record may have changed.
func (s *session) beginChild(device *handshake.Session, before uint64) *session {
	c := s.sessions
	child := c.newSession(device, s.link, s, s.address)
	child.began = time.Now()
	c.mu.Lock()
	if *c.detachments.of(device.ID()) != before {
		c.mu.Unlock()
		return nil
	}
	c.online[child.ID()] = child
	s.children.add(child)
	c.mu.Unlock()
	c.showOnline(child, true, event.StatusOnline)
	return child
}

// detachments counts how often BLE devices were detached from their gateways: the
// generation of what their records hold. Several devices share a count, which costs some of
// them another read.
type detachments [256]uint64

var detachmentsSeed = maphash.MakeSeed()

func (d *detachments) of(id fleet.DeviceID) *uint64 {
	return &d[maphash.String(detachmentsSeed, id.String())%uint64(len(d))]
}

// detached is how often device id was detached.
func (c *Sessions) detached(id fleet.DeviceID) uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return *c.detachments.of(id)
}

// detach ends device id's session behind a gateway, and no session begins from a record that
// was read before. It returns the session it found, also one with its own connection, which
// it leaves open.
func (c *Sessions) detach(id fleet.DeviceID) *session {
	c.mu.Lock()
	*c.detachments.of(id)++
	s := c.online[id]
	c.mu.Unlock()
	if s != nil && s.gateway != nil {
		c.end(s, devicelog.Detached)
	}
	return s
}

// end ends the session of a BLE device; its gateway's connection stays open.
func (c *Sessions) end(child *session, code byte) {
	child.depart(code)
	child.noteLeft()
	child.device.End()
	child.gateway.children.remove(child)
	child.toDevice().StopChunks()
	c.leave(child)
}

// endChildren ends the sessions on the connection of s, which has ended.
func (s *session) endChildren() {
	if s.children == nil {
		return
	}
	for _, child := range s.children.all() {
		s.sessions.end(child, devicelog.GatewayGone)
	}
}

// detached reports whether s is a BLE device's session that has ended: nothing may be sent
// on its gateway's connection any more.
func (s *session) detached() bool { return s.gateway != nil && s.device.Ended() }

// stopIfDetached stops what was started for a BLE device whose session ended meanwhile.
func (s *session) stopIfDetached() {
	if s.detached() {
		s.toDevice().StopChunks()
		s.sessions.ota.Gone(s.ID(), s.toDevice())
	}
}

// caches reports whether the device is a gateway that caches images for its children.
func (s *session) caches() bool {
	h, ok := s.device.Hello()
	return ok && h.Caches
}

// fetchForChildren serves a gateway's Want of an image for its children. It reports whether
// w was one.
func (s *session) fetchForChildren(w wire.Want) bool {
	if s.children == nil {
		return false
	}
	all := s.children.all()
	ids := make([]fleet.DeviceID, len(all))
	for i, child := range all {
		ids[i] = child.ID()
	}
	return s.sessions.ota.Fetch(s.ID(), ids, w, s.toDevice())
}
