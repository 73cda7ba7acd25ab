package ota

import (
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/ota/precedence"
)

// clock measures pauses: it starts at the machine's time and then only counts what elapses, so
// that a step of the machine's clock neither ends a pause nor makes one longer.
type clock struct {
	began time.Time
	read  func() time.Time // of a rehearsal, in place of all that; nil: the machine's
}

// now is the machine's time, less its steps since c began.
func (c clock) now() time.Time {
	if c.read != nil {
		return c.read()
	}
	return c.began.Add(time.Since(c.began))
}

// CoolDown is how long d still waits after a failed attempt, 0 when it doesn't.
func (s *Service) CoolDown(d *fleet.Device) time.Duration {
	return precedence.CoolDown(d.Attempts, s.Now())
}

// Now is the time by which cool-downs are measured.
func (s *Service) Now() time.Time { return s.rules.clock.now() }
