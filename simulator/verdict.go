package simulator

import (
	"fmt"
	"strings"
	"time"

	"github.com/muster-iot/muster/fleet"
)

// Expectation is what a device should run in the end.
type Expectation struct {
	Version fleet.Version
	Digest  fleet.Digest // of its image; zero: not compared
}

// Verdict is whether every device runs exactly what was expected of it.
type Verdict struct {
	OK       bool    `json:"ok"`
	Checked  int     `json:"checked"`  // devices something was expected of
	Compared int     `json:"compared"` // of these, whose image was compared: they received one, and its digest was expected
	Wrong    []Wrong `json:"wrong,omitempty"`
}

// Wrong is a device that does not run what it should.
type Wrong struct {
	Device fleet.DeviceID `json:"device"`
	Want   string         `json:"want,omitempty"` // "": what it should run is not known
	Got    string         `json:"got"`
	Reason string         `json:"reason"`
}

// Verdict compares the fleet with expect, which answers false for a device nothing is
// expected of. The image is compared by the SHA-256 of the bytes the device received; one
// that runs the version it began with received none, so only its version is compared.
func (f *Fleet) Verdict(expect func(fleet.DeviceID) (Expectation, bool)) Verdict {
	v := Verdict{}
	for _, d := range f.devices {
		want, some := expect(d.id)
		if !some {
			continue
		}
		v.Checked++
		got := d.status()
		if want.compares(got) {
			v.Compared++
		}
		if reason := want.differs(got); reason != "" {
			v.Wrong = append(v.Wrong, Wrong{Device: d.id, Want: want.Version.String(), Got: got.Running.String(), Reason: reason})
		}
	}
	v.OK = len(v.Wrong) == 0
	return v
}

// compares reports whether there are two digests to compare.
func (want Expectation) compares(got DeviceStatus) bool {
	none := fleet.Digest{}
	return got.Running.Equal(want.Version) && want.Digest != none && got.Digest != none
}

// differs is why got is not what was expected, "" when it is.
func (want Expectation) differs(got DeviceStatus) string {
	switch {
	case !got.Running.Equal(want.Version), got.Stats.Handshakes == 0: // what nobody asked for proves nothing
		return got.why()
	case want.compares(got) && got.Digest != want.Digest:
		return fmt.Sprintf("its image has SHA-256 %s, expected %s", got.Digest, want.Digest)
	}
	return ""
}

// why is what is known about a device that does not run what it should.
func (s DeviceStatus) why() string {
	var parts []string
	if s.State != Idle {
		parts = append(parts, "it is "+s.State.String())
	}
	if !s.Target.IsZero() && !s.Target.Equal(s.Running) {
		parts = append(parts, "the cloud named "+s.Target.String()+" as its target")
	}
	if s.Ended != "" {
		parts = append(parts, "its last update "+s.Ended)
	}
	switch {
	case s.Stats.Handshakes == 0:
		parts = append(parts, "it never got a Welcome")
	case !s.Online && s.Trouble != stoppedByUs:
		parts = append(parts, "it is offline")
	}
	if s.Stats.Handshakes == 0 && s.Trouble != "" {
		parts = append(parts, s.Trouble)
	}
	if len(parts) == 0 {
		return "it was offered nothing"
	}
	return strings.Join(parts, "; ")
}

// Summary is the result of a run, written as JSON.
type Summary struct {
	Seed     uint64         `json:"seed"`
	Started  time.Time      `json:"started"`
	Seconds  float64        `json:"seconds"`
	Devices  int            `json:"devices"`
	Versions map[string]int `json:"versions"`
	Totals   Stats          `json:"totals"`
	Verdict  *Verdict       `json:"verdict,omitempty"` // with Config.Expect
}

// Summary returns the result of the run so far, or the last one once it ended.
func (f *Fleet) Summary() Summary {
	f.mu.Lock()
	started, ended := f.started, f.ended
	f.mu.Unlock()
	if ended.IsZero() {
		ended = time.Now()
	}
	s := f.Snapshot()
	r := Summary{Seed: f.config.Seed, Started: started, Devices: s.Devices, Versions: s.Versions, Totals: s.Totals}
	if !started.IsZero() {
		r.Seconds = ended.Sub(started).Seconds()
	}
	if f.config.Expect != nil {
		v := f.Verdict(f.config.Expect)
		r.Verdict = &v
	}
	return r
}
