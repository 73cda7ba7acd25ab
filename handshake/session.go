package handshake

import (
	"sync"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

// Session is one connection of one device, from its admission on. Greet and Reevaluate must be
// called by one goroutine at a time per session; its own methods are safe for concurrent use.
type Session struct {
	id        fleet.DeviceID
	team      fleet.TeamID
	kind      fleet.DeviceKind
	gateway   fleet.DeviceID // that relays the device; "" if it proved itself
	address   string
	heard     time.Time
	seen      uint64        // number of the device's newest session at its admission
	connected uint64        // when the connection began, µs
	created   time.Time     // of the record
	secret    fleet.Secret  // of the record
	holder    string        // that the record named then
	held      bool          // it belongs to a node, since servers share the store
	admitted  *fleet.Device // the record then, for the first Hello; nil from then on: idle sessions keep none. Owned by Greet
	doubted   doubt         // owned by Greet

	mu         sync.Mutex
	generation uint64     // fencing token, 0 before the first Hello; guarded by mu
	hello      wire.Hello // the last one; guarded by mu
	ended      bool       // guarded by mu
}

// ID returns the device's id.
func (s *Session) ID() fleet.DeviceID { return s.id }

// Team returns the device's team.
func (s *Session) Team() fleet.TeamID { return s.team }

// Kind returns the device's kind at its admission.
func (s *Session) Kind() fleet.DeviceKind { return s.kind }

// Heard returns when the device was last heard before its admission, by its record.
func (s *Session) Heard() time.Time { return s.heard }

// Generation returns the session's number among the device's sessions, the fencing token of
// its writes; 0 before the first Hello is accepted.
func (s *Session) Generation() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.generation
}

// Hello returns the last Hello that was accepted; ok is false before the first.
func (s *Session) Hello() (hello wire.Hello, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.hello, s.generation != 0
}

// End makes the session refuse further Hellos, because its connection has ended.
func (s *Session) End() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
}

// Ended reports whether End was called.
func (s *Session) Ended() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ended
}

// mayWrite returns an error if a session of this generation may no longer change d.
func (s *Session) mayWrite(d *fleet.Device, generation uint64) error {
	s.mu.Lock()
	ended := s.ended
	s.mu.Unlock()
	switch {
	case ended:
		return fleet.Errorf(fleet.Conflict, "the session of device %s has ended", d.ID)
	case generation != 0 && d.Session != generation && !s.mayClaimAgain(d, generation),
		generation == 0 && d.Session != s.seen && d.Connected > s.connected:
		return fleet.Errorf(fleet.Conflict, "device %s has a newer session", d.ID)
	case s.kind == fleet.BLE && d.Gateway != s.gateway:
		return fleet.Errorf(fleet.Conflict, "device %s is not attached to gateway %s any more", d.ID, s.gateway)
	case d.Disabled:
		return fleet.Errorf(fleet.Disabled, "device %s is disabled", d.ID)
	}
	return nil
}

// mayClaimAgain reports whether d has an older session than this one, because a fail-over of a Redis
// that servers share has lost the claim.
func (s *Session) mayClaimAgain(d *fleet.Device, generation uint64) bool {
	return s.held && d.Session < generation && d.Created.Equal(s.created)
}

// Connected returns when the connection began, in µs.
func (s *Session) Connected() uint64 { return s.connected }

// Holder returns the node that held the device's session at the admission, "" for none.
func (s *Session) Holder() string { return s.holder }

// Check compares the session with the device's record, which another server may have changed. Errors:
// fleet.Conflict when the device has a newer session or another gateway, and fleet.Disabled when it was
// disabled or may have to connect in another way.
func (s *Session) Check(d *fleet.Device) error {
	if err := s.mayWrite(d, s.Generation()); err != nil {
		return err
	}
	if d.Secret != s.secret || d.Kind != s.kind || !d.Created.Equal(s.created) {
		return fleet.Errorf(fleet.Disabled, "device %s has to connect again", d.ID)
	}
	return nil
}

// hold makes node the one that holds the session; "" if the store is not shared.
func (s *Session) hold(d *fleet.Device, node string) {
	d.Node, d.Connected = node, 0
	if node != "" {
		d.Connected = s.connected
	}
}

// begun returns s with what it needs of its device's record, which it keeps for the first Hello.
func (s *Session) begun(d *fleet.Device, node string) *Session {
	s.id, s.team, s.kind, s.heard, s.admitted = d.ID, d.Team, d.Kind, d.LastHeard, d
	s.seen, s.created, s.secret, s.holder, s.held = d.Session, d.Created, d.Secret, d.Node, node != ""
	s.connected = uint64(max(time.Now().UnixMicro(), 0))
	return s
}

// doubt is a boot nonce that was taken as one of an earlier boot.
type doubt struct {
	boot uint64
	at   time.Time
}

// insists reports whether a Hello with this nonce was rejected in this session, and is not just
// another stored one that came right after it.
func (s *Session) insists(boot uint64, now time.Time) bool {
	if s.doubted.boot != boot {
		s.doubted = doubt{boot, now}
	}
	return now.Sub(s.doubted.at) >= EarlierAgain/2
}

func (s *Session) greeted(generation uint64, h wire.Hello) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.generation, s.hello = generation, h
}
