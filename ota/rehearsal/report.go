package rehearsal

import (
	"slices"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/ota/rollout"
)

// maxMoments bounds the curve of a report.
const maxMoments = 200

// Report is what a rehearsal shows. Times are from its begin on.
type Report struct {
	Began   time.Time
	Length  time.Duration // until the last thing happened
	State   fleet.ReleaseState
	Why     string // what stopped it, or what it waits for
	Stages  []Stage
	Devices int // of the product

	Confirmed int // devices that run the version because of the release
	Failed    int // devices whose last update failed or was rolled back
	Lost      int // devices that did not return from their restart
	Returned  int // devices that were updated and went back
	Failures  int // attempts that failed

	Half, Most, Nearly time.Duration // when 50, 90 and 99 % of the devices that the release would reach at 100 % were confirmed; 0: never
	Peak               int64         // bytes per second
	Sent               int64         // bytes
	Moves              []fleet.MoveCount
	Curve              []Moment
	Check              Check
}

// Stage is when a stage began, and what had become of devices when it ended.
type Stage struct {
	Number                  int // from 1
	Share                   string
	Began                   time.Duration
	Confirmed, Failed, Lost int
}

// Moment is how devices stood at one time.
type Moment struct {
	At                                         time.Duration
	Waiting, Updating, Confirmed, Failed, Lost int
}

// Check compares a rehearsal with the impact of the order. Each device that begins an update has to
// be one that the impact counts as moved and not blocked; once the release is done, each of those has to
// have begun, apart from Absent.
type Check struct {
	Expected int // by the impact: moved, and not blocked
	Begun    int // devices that began an update to the version
	Absent   int // that the impact counts, and that were not heard of
	Agrees   bool
}

// note keeps what a look has shown.
func (x *rehearsal) note(r fleet.Release, n fleet.ReleaseCounts, moved bool) {
	if i := len(x.stages) - 1; i >= 0 {
		x.stages[i].Confirmed, x.stages[i].Failed, x.stages[i].Lost = n.Confirmed, n.Failed, n.Lost
	}
	x.thin = max(x.thin, 1)
	if x.looks++; x.looks%x.thin != 0 && !moved {
		return
	}
	m := Moment{At: x.now.Sub(x.began), Confirmed: n.Confirmed, Failed: n.Failed, Lost: n.Lost}
	for _, devices := range n.Waiting {
		m.Waiting += devices
	}
	for _, devices := range n.Updating {
		m.Updating += devices
	}
	if x.curve = append(x.curve, m); len(x.curve) < maxMoments {
		return
	}
	x.thin *= 2
	kept := x.curve[:0]
	for i, m := range x.curve {
		if i%2 == 0 || i == len(x.curve)-1 {
			kept = append(kept, m)
		}
	}
	x.curve = kept
}

func (x *rehearsal) report(impact fleet.Impact) *Report {
	r := &Report{Began: x.began, Length: x.now.Sub(x.began), Stages: x.stages, Devices: len(x.devices), Peak: int64(x.peak), Sent: x.sent, Curve: x.curve}
	final := x.final()
	r.State, r.Why = final.State, rollout.Reason(&final, x.counts)
	if final.State.Over() {
		r.Why = final.Why
	}
	var done []time.Duration
	moves := make(map[fleet.MoveCount]int)
	for _, d := range x.devices {
		r.Failures += d.failures
		failed := d.Update.State == fleet.Failed || d.Update.State == fleet.RolledBack
		switch {
		case d.done > 0 && d.Running.Equal(x.version):
			r.Confirmed++
			done = append(done, d.done)
		case d.lost:
			r.Lost++
		case d.done > 0:
			r.Returned++
		case d.touched && failed && d.failures > 0:
			r.Failed++
		}
		if d.Running != d.first {
			moves[fleet.MoveCount{From: d.first, To: d.Running}]++
		}
		if d.touched && !d.first.Equal(x.version) {
			r.Check.Begun++
		}
	}
	for m, devices := range moves {
		m.Devices = devices
		r.Moves = append(r.Moves, m)
	}
	fleet.SortMoves(r.Moves)
	blocked := 0
	for _, b := range impact.Blocked {
		if b.Reason != "development" && b.Reason != "locked" { // those are not among the moved
			blocked += b.Devices
		}
	}
	r.Check.Expected = impact.Total + impact.Due - blocked
	for _, d := range x.devices {
		if !d.touched && !d.online && x.wants(d) {
			r.Check.Absent++
		}
	}
	r.Check.Agrees = r.Check.Begun <= r.Check.Expected && (final.State != fleet.ReleaseDone || r.Check.Begun+r.Check.Absent >= r.Check.Expected)
	slices.Sort(done)
	for share, at := range map[int]*time.Duration{50: &r.Half, 90: &r.Most, 99: &r.Nearly} {
		if need := (r.Check.Expected*share + 99) / 100; need > 0 && need <= len(done) {
			*at = done[need-1]
		}
	}
	return r
}

// final is the release as it stands at the end.
func (x *rehearsal) final() fleet.Release {
	if r, underWay := x.catalog.Release(x.release); underWay {
		return r
	}
	return x.catalog.Ended[x.release]
}

// wants reports whether d's target is the version, and d does not run it.
func (x *rehearsal) wants(d *device) bool {
	target, _ := x.target(d)
	return target.Equal(x.version) && !d.Running.Equal(x.version) && !d.Disabled
}
