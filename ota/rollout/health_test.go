package rollout

import (
	"fmt"
	"testing"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/index"
)

// TestTroubleThatOthersHaveTooIsNotTheReleases has updated devices, and devices that were not
// updated, get into trouble.
func TestTroubleThatOthersHaveTooIsNotTheReleases(t *testing.T) {
	const updated, others = 50, 100
	one, two := fleet.WholeVersion(1), fleet.WholeVersion(2)
	for name, row := range map[string]struct {
		updated, others int // in trouble
		early           bool
		handshakes      int // of each of them, in place of an alert
		want            int
	}{
		"nobody":                       {},
		"updated devices":              {updated: 5, want: 5},
		"as many of the others":        {updated: 5, others: 10},
		"more than of the others":      {updated: 10, others: 10, want: 5},
		"fewer than of the others":     {updated: 2, others: 50},
		"before they were updated":     {updated: 5, early: true},
		"with many handshakes":         {updated: 5, handshakes: 4, want: 5},
		"with the usual 3 in the hour": {updated: 5, handshakes: 3},
	} {
		x := index.New()
		c := &fleet.Catalog{Product: fleet.Product{ID: 1, Team: 1}, Default: two}
		r := fleet.Release{ID: 3, Version: two, Base: one, State: fleet.ReleaseRunning, Share: 3333, Plan: careful()}
		c.SetStaged(r)
		for i := range updated + others {
			d := fleet.Device{ID: fleet.DeviceID(fmt.Sprint("lamp-", i)), Team: 1, Product: 1, Running: one, UpdatesOn: true, Revision: 1}
			if i < updated {
				d.Running, d.Update = two, fleet.Update{To: two, State: fleet.Confirmed, Release: 3}
			}
			x.Put(&d)
		}
		x.Finish()
		s := New(Config{Index: x})
		now := time.Now()
		s.listen(c, now)
		trouble := func(i int) {
			id := fleet.DeviceID(fmt.Sprint("lamp-", i))
			if row.handshakes == 0 {
				s.Alert(id)
			}
			for range row.handshakes {
				s.Handshake(1, id, false)
			}
		}
		if row.early {
			for i := range row.updated {
				trouble(i)
			}
		}
		for i := range updated {
			s.Handshake(1, fleet.DeviceID(fmt.Sprint("lamp-", i)), true)
		}
		if !row.early {
			for i := range row.updated {
				trouble(i)
			}
		}
		for i := range row.others {
			trouble(updated + i)
		}
		n := fleet.ReleaseCounts{Reach: updated + others, Running: updated, Confirmed: updated}
		if got := s.unhealthy(c, &r, n, time.Now()); got != row.want {
			t.Errorf("%s: %d unhealthy, want %d", name, got, row.want)
		}
		n.Reach = updated // everyone is updated: what was usual stays so
		if got := s.unhealthy(c, &r, n, time.Now()); got != row.want {
			t.Errorf("%s, with nobody left to compare: %d unhealthy, want %d", name, got, row.want)
		}
	}
}
