package precedence

import (
	"testing"

	"github.com/muster-iot/muster/fleet"
)

// BenchmarkDecision is the decision of a handshake: the rules, then the gates, for a device that is to be
// updated. No release has a plan, and no firmware a condition.
func BenchmarkDecision(b *testing.B) {
	v := fleet.WholeVersion
	c := &fleet.Catalog{Default: v(2), Groups: map[fleet.GroupID]fleet.Version{1: v(3), 2: v(2), 3: v(1)}, Firmware: map[string]fleet.Firmware{}}
	for n := uint32(1); n <= 20; n++ {
		f := fleet.Firmware{Version: v(n), Size: 100_000}
		c.Firmware[f.Version.Key()] = f
	}
	d := fleet.Device{ID: "lamp-1", Running: v(1), UpdatesOn: true, Groups: []fleet.GroupID{1, 2, 4}}
	for b.Loop() {
		target, _, _ := Decide(Of(&d), c)
		candidate := CandidateOf(&d)
		candidate.Aim(c, target)
		candidate.MaxAttempts = 3
		if _, held := candidate.Refusal(); held {
			b.Fatal("held")
		}
		next, ok := candidate.Hop()
		if !ok || !next.Version.Equal(target) {
			b.Fatal("no hop")
		}
	}
}
