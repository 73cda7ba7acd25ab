package rollout

import (
	"fmt"
	"testing"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/index"
)

// TestASmallFirstStageIsLikeTheFleet: with the preference it has devices of each revision, version and of many
// gateways; nobody changes places afterwards, and the same fleet gives the same choice.
func TestASmallFirstStageIsLikeTheFleet(t *testing.T) {
	t.Parallel()
	const devices, first = 600, 20
	two := fleet.WholeVersion(2)
	x := index.New()
	for i := range devices {
		d := fleet.Device{ID: fleet.DeviceID(fmt.Sprint("lamp-", i)), Team: 1, Product: 1, Running: fleet.WholeVersion(1), UpdatesOn: true, Revision: 1, Hardware: "a"}
		switch {
		case i%20 == 0: // 5 %
			d.Hardware = "b"
		case i%30 == 1: // 3 %
			d.Running = fleet.ReportedVersion("0.9.0")
		case i%5 == 2:
			d.Kind, d.Gateway = fleet.BLE, fleet.DeviceID(fmt.Sprint("gateway-", i%15))
		}
		x.Put(&d)
	}
	x.Finish()
	plan := fleet.ReleasePlan{Stages: []fleet.ReleaseStage{{Devices: first}, {Share: fleet.Whole}}, Sample: 5}
	begin := func(spread bool, id fleet.ProductID) (kinds map[kind]int, gateways int, r fleet.Release, c *fleet.Catalog) {
		c = &fleet.Catalog{Product: fleet.Product{ID: 1, Team: 1}, Default: fleet.WholeVersion(1)}
		c.Product.ID = 1
		plan := plan.Clone()
		plan.Spread = spread
		for n := range id { // another release, with another salt
			c.Ended = map[fleet.ReleaseID]fleet.Release{fleet.ReleaseID(n): {ID: fleet.ReleaseID(n)}}
		}
		r, err := c.Begin(fleet.Release{Version: two, Plan: plan}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if err := Spread(x, c, &r); err != nil {
			t.Fatal(err)
		}
		if err := Few(x, c, &r); err != nil {
			t.Fatal(err)
		}
		c.SetStaged(r)
		kinds, seen := map[kind]int{}, map[fleet.DeviceID]bool{}
		for i := range devices {
			e, err := x.Entry(fleet.DeviceID(fmt.Sprint("lamp-", i)))
			if err != nil {
				t.Fatal(err)
			}
			if r.Includes(e.ID.Hash(), nil) {
				kinds[kindOf(&e)]++
				if e.Gateway != "" {
					seen[e.Gateway] = true
				}
			}
		}
		return kinds, len(seen), r, c
	}
	total := func(kinds map[kind]int) (n int) {
		for _, count := range kinds {
			n += count
		}
		return n
	}
	plainly := 0 // releases without the preference that miss a kind
	for release := range fleet.ProductID(20) {
		kinds, _, plain, _ := begin(false, release)
		if len(kinds) < 4 {
			plainly++
		}
		if total(kinds) != first || plain.Salt != uint64(plain.ID)|1<<32 {
			t.Fatalf("release %d: %d devices, salt %x", release, total(kinds), plain.Salt)
		}
		kinds, gateways, r, c := begin(true, release)
		if len(kinds) != 4 || kinds[kind{hardware: "b", running: "1"}] > 3 || total(kinds) != first || gateways < 2 {
			t.Errorf("release %d: got %v, %d gateways", release, kinds, gateways)
		}
		if _, _, again, _ := begin(true, release); again.Salt != r.Salt {
			t.Errorf("release %d: the same fleet gave salts %x and %x", release, r.Salt, again.Salt)
		}
		before := r
		r.Enter(1)
		for i := range devices {
			id := fleet.DeviceID(fmt.Sprint("lamp-", i))
			if before.Includes(id.Hash(), nil) && !r.Includes(id.Hash(), nil) {
				t.Errorf("release %d: %s left it", release, id)
			}
		}
		_ = c
	}
	if plainly == 0 {
		t.Error("each release had all kinds without the preference: nothing was tested")
	}
}

func TestTheRateGrowsWithBatchesThatSucceed(t *testing.T) {
	for _, row := range []struct {
		name                          string
		rate, most, sample, confirmed int
		want                          int
	}{
		{"it does not grow", 600, 0, 20, 1000, 600},
		{"nobody is confirmed", 6000, 60000, 20, 0, 6000},
		{"a batch is not complete", 6000, 60000, 20, 99, 6000},
		{"one batch", 6000, 60000, 20, 100, 9000},
		{"two batches", 6000, 60000, 20, 100 + 150, 13500},
		{"up to the most", 6000, 10000, 20, 250, 10000},
		{"no further", 6000, 10000, 20, 1_000_000, 10000},
		{"a slow rate waits for the sample", 60, 600, 20, 19, 60},
		{"a slow rate, after the sample", 60, 600, 20, 20, 90},
		{"one an hour", 1, 10, 1, 3, 5},
	} {
		p := fleet.ReleasePlan{Sample: row.sample, Limits: fleet.ReleaseLimits{Hourly: row.rate, Most: row.most}}
		if got := hourly(&p, row.confirmed); got != row.want {
			t.Errorf("%s: got %d, want %d", row.name, got, row.want)
		}
	}
}
