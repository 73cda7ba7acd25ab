package precedence

import (
	"testing"
	"time"

	"github.com/muster-iot/muster/fleet"
)

// The server restarts, and the machine's clock was set meanwhile. While it runs, cool-downs are
// measured by elapsed time.
func TestACoolDownIsNeverLongerThanItself(t *testing.T) {
	start := time.Unix(1_000_000, 0)
	for _, pause := range []time.Duration{3 * time.Second, 5 * time.Minute, 2 * time.Hour} {
		for _, step := range []time.Duration{0, time.Minute, -time.Minute, time.Hour, -time.Hour, 48 * time.Hour, -48 * time.Hour} {
			a := fleet.Attempts{NotBefore: start.Add(pause), Pause: pause}
			if got := CoolDown(a, start.Add(step)); got < 0 || got > pause {
				t.Errorf("pause %s, clock stepped %s: got %s left", pause, step, got)
			}
			if got := CoolDown(a, start.Add(pause+step)); step < -pause && got != 0 {
				t.Errorf("pause %s, clock set back %s at its end: got %s left", pause, -step, got)
			}
		}
	}
	if got := CoolDown(fleet.Attempts{NotBefore: start.Add(time.Hour)}, start); got != time.Hour {
		t.Errorf("of a record without a length: got %s left, want 1h", got)
	}
}
