package precedence

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/muster-iot/muster/fleet"
)

// TestRenewForgetsExactlyAfterAChangeOfTheTarget changes releases at random and compares Renew
// with a device that is asked after each change.
func TestRenewForgetsExactlyAfterAChangeOfTheTarget(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		version := func() fleet.Version {
			return fleet.ReportedVersion(rapid.SampledFrom([]string{"1", "2", "2.0.0", "3"}).Draw(t, "version"))
		}
		c := &fleet.Catalog{Revision: 1, Groups: map[fleet.GroupID]fleet.Version{}}
		change := func() {
			before := *c
			before.Groups = map[fleet.GroupID]fleet.Version{}
			for g, v := range c.Groups {
				before.Groups[g] = v
			}
			for range rapid.IntRange(0, 2).Draw(t, "releases") {
				g := fleet.GroupID(rapid.IntRange(0, 3).Draw(t, "group"))
				ends := rapid.Bool().Draw(t, "ends")
				switch {
				case g == 0 && ends:
					c.Default = fleet.Version{}
				case g == 0:
					c.Default = version()
				case ends:
					delete(c.Groups, g)
				default:
					c.Groups[g] = version()
				}
			}
			c.NoteMoves(&before)
			c.Revision++
		}
		for range rapid.IntRange(0, 4).Draw(t, "before") {
			change()
		}
		d := fleet.Device{Groups: []fleet.GroupID{1, 2}}
		if rapid.IntRange(0, 9).Draw(t, "locked") == 0 {
			d.Lock = version()
		}
		target, _, _ := Decide(Of(&d), c)
		d.Attempts = fleet.Attempts{Target: target, Spent: 2, Held: true, Since: c.Revision}
		moved := target.IsZero()
		for range rapid.IntRange(0, 6).Draw(t, "changes") {
			change()
			now, _, _ := Decide(Of(&d), c)
			moved = moved || !now.Equal(target)
		}
		Renew(&d, c)
		if forgot := d.Attempts.Spent == 0 && !d.Attempts.Held; forgot != moved {
			t.Fatalf("forgot: %v, the target moved: %v; catalog %+v", forgot, moved, c)
		}
	})
}

func TestMovesOfACatalogAreBounded(t *testing.T) {
	c := &fleet.Catalog{}
	for i := range 1000 {
		before := *c
		c.Default = fleet.WholeVersion(uint32(i))
		c.NoteMoves(&before)
		c.Revision++
	}
	if n := len(c.Moves); n != 256 || c.Moves[n-1].Revision != 1000 {
		t.Errorf("got %d moves, the last of revision %d; want 256 to 1000", n, c.Moves[n-1].Revision)
	}
}
