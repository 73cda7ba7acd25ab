package handshake

import (
	"sync"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

// Session is one connection of one device, from its admission on. Greet and Again are
// called by one goroutine at a time per session; the session's own methods by any.
type Session struct {
	id      fleet.DeviceID
	team    fleet.TeamID
	kind    fleet.DeviceKind
	gateway fleet.DeviceID // whose word the session begins on, "" for a proof of its own
	address string
	device  fleet.Device // as last loaded or saved; owned by Greet and Again

	mu         sync.Mutex
	generation uint64     // fencing token, 0 before the first Hello; guarded by mu
	hello      wire.Hello // the last one; guarded by mu
	ended      bool       // guarded by mu
}

// ID is the device's id.
func (s *Session) ID() fleet.DeviceID { return s.id }

// Team is the device's team.
func (s *Session) Team() fleet.TeamID { return s.team }

// Kind is the device's kind as it was admitted.
func (s *Session) Kind() fleet.DeviceKind { return s.kind }

// Generation is the session's number among the device's sessions, the fencing token of
// its writes; 0 before the first Hello was accepted.
func (s *Session) Generation() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.generation
}

// Hello is the last Hello accepted; ok is false before the first.
func (s *Session) Hello() (hello wire.Hello, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.hello, s.generation != 0
}

// End makes the session refuse every further Hello: its connection has ended.
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

// mayWrite checks that the session may still speak for d, as of generation.
func (s *Session) mayWrite(d *fleet.Device, generation uint64) error {
	s.mu.Lock()
	ended := s.ended
	s.mu.Unlock()
	switch {
	case ended:
		return fleet.Errorf(fleet.Conflict, "the session of device %s has ended", d.ID)
	case generation != 0 && d.Session != generation:
		return fleet.Errorf(fleet.Conflict, "device %s has a newer session", d.ID)
	case s.kind == fleet.BLE && d.Gateway != s.gateway:
		return fleet.Errorf(fleet.Conflict, "device %s is not attached to gateway %s any more", d.ID, s.gateway)
	case d.Disabled:
		return fleet.Errorf(fleet.Disabled, "device %s is disabled", d.ID)
	}
	return nil
}

func (s *Session) greeted(generation uint64, h wire.Hello) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.generation, s.hello = generation, h
}
