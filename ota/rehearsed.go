package ota

import (
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

// Life is the life of updates of devices that are copies, in a time of the caller's: the rules by
// which Service changes records, without sending anything.
type Life struct {
	rules rules
	now   func() time.Time
}

// Rehearsed returns a Life by the settings of s.
func (s *Service) Rehearsed(now func() time.Time) Life {
	r := s.rules
	r.clock = clock{read: now}
	return Life{r, now}
}

// Start begins an update of d to f, on the way to target, which release gave it; 0: none.
func (l Life) Start(d *fleet.Device, f fleet.Firmware, target fleet.Version, release fleet.ReleaseID) {
	start(d, f, target, release, l.now())
}

// Report applies a device's report about its running update, and returns whether that ended it.
func (l Life) Report(d *fleet.Device, state wire.ReportState, reason fleet.ReasonCode) (ended bool) {
	_, ended = l.rules.report(d, wire.Report{State: state, Reason: reason}, 0, l.now())
	return ended
}

// Hello ends d's update after d has restarted and runs a version now. It returns whether that ended it.
func (l Life) Hello(d *fleet.Device, c *fleet.Catalog, runs fleet.Version) (ended bool) {
	d.Running, d.Boot, d.Proven, d.Differs = runs, d.Boot+1, true, false
	return l.rules.settle(d, c, wire.Hello{Version: runs, Boot: d.Boot + 1}, l.now())
}

// Supersede ends d's running update, at no cost, because its version is not the target any more.
func (l Life) Supersede(d *fleet.Device) { end(d, fleet.Superseded, wire.ReasonSuperseded, l.now()) }
