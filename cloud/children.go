package cloud

import (
	"context"
	"errors"
	"hash/maphash"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/handshake"
	"github.com/muster-iot/muster/wire"
)

// How many messages for devices that are not attached are looked into, per gateway: each
// costs a round trip and an answer.
const (
	strangerBurst    = 50
	strangerInterval = 100 * time.Millisecond
)

var errNotCarried = fleet.Errorf(fleet.Conflict, "the gateway does not carry the device any more")

// children are the BLE devices a gateway's connection carries now. A device is one from
// its first message on; that it is attached is in its record.
type children struct {
	strangers *rate.Limiter // of the gateway's messages for devices it does not carry

	mu   sync.Mutex
	byID map[fleet.DeviceID]*session // guarded by mu
}

func newChildren() *children {
	return &children{
		strangers: rate.NewLimiter(rate.Every(strangerInterval), strangerBurst),
		byID:      make(map[fleet.DeviceID]*session),
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

// forget drops child unless another session took its place.
func (c *children) forget(child *session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.byID[child.id()] == child {
		delete(c.byID, child.id())
	}
}

// carry takes what a BLE device says through its gateway s. Whatever is wrong with it
// concerns that device alone: its siblings share the connection, which ends only when what
// has to be durable could not be written, since it may then not be acknowledged.
func (s *session) carry(ctx context.Context, t wire.Topic, payload []byte) error {
	child, err := s.child(ctx, t.Child)
	if err == nil {
		err = child.receive(ctx, t, payload)
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errLimited):
		return s.ignore(t, ignoredRate)
	case errors.Is(err, fleet.Unavailable), errors.Is(err, fleet.Busy):
		return err
	case errors.Is(err, errEarly):
		return s.answer(t, payload, wire.ReasonNotNow, ignoredEarly)
	}
	if child != nil {
		s.conductor.end(child)
	}
	return s.answer(t, payload, wire.ReasonNotAttached, ignoredStranger)
}

// answer stops a device whose message has no effect.
func (s *session) answer(t wire.Topic, payload []byte, reason fleet.ReasonCode, why ignored) error {
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
	if err := s.link.Send(wire.Topic{Speaker: s.id(), Child: t.Child, Kind: wire.TopicStop}, stop.Encode()); err != nil {
		return err
	}
	return s.ignore(t, why)
}

// maxAdmissions bounds how often a record is read again because its device moved meanwhile.
const maxAdmissions = 8

// child is the session of a BLE device that s carries. The first message of an attached
// one begins it. Errors: fleet.Denied when id is not attached to s, errLimited,
// fleet.Unavailable.
func (s *session) child(ctx context.Context, id fleet.DeviceID) (*session, error) {
	if child := s.children.find(id); child != nil {
		return child, nil
	}
	if !s.children.strangers.Allow() {
		return nil, errLimited
	}
	for range maxAdmissions {
		partings := s.conductor.parted(id)
		device, err := s.conductor.handshake.AdmitAttached(ctx, s.device, id)
		if err != nil {
			return nil, err
		}
		if child := s.adopt(device, partings); child != nil {
			return child, nil
		}
	}
	return nil, fleet.Errorf(fleet.Unavailable, "device %s keeps moving", id)
}

// adopt begins the session of a BLE device, unless it had to leave its gateway since
// partings was counted: then the record may be another one by now.
func (s *session) adopt(device *handshake.Session, partings uint64) *session {
	c := s.conductor
	child := c.newSession(device, s.link, s)
	c.mu.Lock()
	if *c.partings.of(device.ID()) != partings {
		c.mu.Unlock()
		return nil
	}
	c.sessions[child.id()] = child
	s.children.mu.Lock()
	s.children.byID[child.id()] = child
	s.children.mu.Unlock()
	c.mu.Unlock()
	c.devices.SetOnline(child.id(), true)
	c.Announce(fleet.Event{Payload: fleet.StatusChanged{Status: fleet.StatusOnline}, Team: device.Team(), Device: child.id(), At: time.Now()})
	return child
}

// partings counts how often BLE devices had to leave their gateway: several share a count.
type partings [256]uint64

var partingsSeed = maphash.MakeSeed()

func (p *partings) of(id fleet.DeviceID) *uint64 {
	return &p[maphash.String(partingsSeed, string(id))%uint64(len(p))]
}

func (c *conductor) parted(id fleet.DeviceID) uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return *c.partings.of(id)
}

// part ends device id's session if a gateway carries it, and makes sure that none begins
// by what its record said before. It returns the session it found, of whatever kind.
func (c *conductor) part(id fleet.DeviceID) *session {
	c.mu.Lock()
	*c.partings.of(id)++
	s := c.sessions[id]
	c.mu.Unlock()
	if s != nil && s.gateway != nil {
		c.end(s)
	}
	return s
}

// end ends the session of a BLE device; the connection that carried it goes on.
func (c *conductor) end(child *session) {
	child.device.End()
	child.gateway.children.forget(child)
	child.toDevice().StopChunks()
	c.leave(child)
}

// endChildren ends what s carried: its connection has ended.
func (s *session) endChildren() {
	if s.children == nil {
		return
	}
	for _, child := range s.children.all() {
		s.conductor.end(child)
	}
}

// carriedNoMore reports whether s was a BLE device's and has ended; the connection it
// used may go on.
func (s *session) carriedNoMore() bool { return s.gateway != nil && s.device.Ended() }

// tidy takes back what was started for a BLE device whose session ended meanwhile.
func (s *session) tidy() {
	if s.carriedNoMore() {
		s.toDevice().StopChunks()
		s.conductor.ota.Gone(s.conductor.base, s.id(), s.toDevice())
	}
}

// caches reports whether the device is a gateway that caches images for its children.
func (s *session) caches() bool {
	h, ok := s.device.Hello()
	return ok && h.Caches
}

// fetches serves a gateway's Want of an image for its children.
func (s *session) fetches(w wire.Want) bool {
	if s.children == nil {
		return false
	}
	carried := s.children.all()
	ids := make([]fleet.DeviceID, len(carried))
	for i, child := range carried {
		ids[i] = child.id()
	}
	return s.conductor.ota.Fetch(s.id(), ids, w, s.toDevice())
}
