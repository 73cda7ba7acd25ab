package fleet_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/muster-iot/muster/fleet"
)

func TestSharesAreReadAndSpelled(t *testing.T) {
	for text, want := range map[string]fleet.Share{
		"0%": 0, "1%": 100, "0.5%": 50, "12.5 %": 1250, "33.33%": 3333, "100%": fleet.Whole, " 10% ": 1000, "0.01%": 1,
	} {
		if got, err := fleet.ParseShare(text); got != want || err != nil {
			t.Errorf("%q: got %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "10", "%", "101%", "100.01%", "-1%", "1.234%", "1.%", ".5%", "ten%", "1e2%", "+5%"} {
		if got, err := fleet.ParseShare(text); err == nil {
			t.Errorf("%q: got %d, want an error", text, got)
		}
	}
	for share, want := range map[fleet.Share]string{0: "0 %", 1: "0.01 %", 50: "0.5 %", 1000: "10 %", 3712: "37.12 %", fleet.Whole: "100 %"} {
		if got := share.String(); got != want {
			t.Errorf("%d: got %q, want %q", share, got, want)
		}
	}
}

// TestPlacesAreTheSameEverywhere holds what nodes, and tools in other languages, compute.
func TestPlacesAreTheSameEverywhere(t *testing.T) {
	for _, row := range []struct {
		id   fleet.DeviceID
		salt uint64
		hash uint32
		want fleet.Share
	}{
		{"lamp-7", 1<<32 | 1, 0xbb783599, 4759},
		{"lamp-7", 1<<32 | 2, 0xbb783599, 3655},
		{"lamp-8", 1<<32 | 1, 0xc3791438, 1035},
	} {
		if hash := row.id.Hash(); hash != row.hash || fleet.Place(hash, row.salt) != row.want {
			t.Errorf("%s, salt %#x: got hash %#x, place %d; want %#x, %d", row.id, row.salt, hash, fleet.Place(hash, row.salt), row.hash, row.want)
		}
	}
}

// TestPlacesAreUniform counts sequential ids in 100 bins, for many releases, and holds the sum
// of squares to what chance gives. Two releases place independently of each other.
func TestPlacesAreUniform(t *testing.T) {
	const devices, bins = 20_000, 100
	hashes := make([]uint32, devices)
	for i := range hashes {
		hashes[i] = fleet.DeviceID(fmt.Sprintf("lamp-%06d", i)).Hash()
	}
	for release := range uint64(50) {
		var count [bins]int
		both := 0
		for _, hash := range hashes {
			place := fleet.Place(hash, 7<<32|release)
			if place >= fleet.Whole {
				t.Fatalf("place %d", place)
			}
			count[place/(fleet.Whole/bins)]++
			if place < 1000 && fleet.Place(hash, 7<<32|(release+1)) < 1000 {
				both++
			}
		}
		chi := 0.0
		for _, n := range count {
			chi += math.Pow(float64(n)-devices/bins, 2) / (devices / bins)
		}
		if chi < 40 || chi > 200 { // 99 degrees of freedom: mean 99, deviation 14
			t.Errorf("release %d: chi-square %.1f over %d bins", release, chi, bins)
		}
		if both < 120 || both > 290 { // 1 % of all: 200, deviation 14
			t.Errorf("releases %d and %d: %d of %d devices are in the first tenth of both", release, release+1, both, devices)
		}
	}
}

func TestADeviceNeverLeavesAGrowingShare(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := fleet.Release{Version: fleet.WholeVersion(2), Base: fleet.WholeVersion(1), State: fleet.ReleaseRunning, Salt: rapid.Uint64().Draw(t, "salt")}
		hash := rapid.Uint32().Draw(t, "hash")
		was := false
		for share := fleet.Share(0); share <= fleet.Whole; share += 100 {
			r.Share = share
			is := r.For(hash, nil, fleet.Version{}).Equal(r.Version)
			if was && !is || share == 0 && is || share == fleet.Whole && !is {
				t.Fatalf("at %s: inside %t, before %t", share, is, was)
			}
			was = is
		}
	})
}

func plan(shares ...fleet.Share) fleet.ReleasePlan {
	p := fleet.ReleasePlan{Sample: 20, Halt: fleet.ReleaseHalt{Return: 30 * time.Minute}}
	for _, share := range shares {
		p.Stages = append(p.Stages, fleet.ReleaseStage{Share: share})
	}
	return p
}

const eu fleet.GroupID = 2

// TestAReleaseOverAnotherKeepsWhatDevicesHave goes through the life of releases at one target:
// over a release without a plan, over one with a plan, taken back, and released again.
func TestAReleaseOverAnotherKeepsWhatDevicesHave(t *testing.T) {
	one, two, three := fleet.WholeVersion(1), fleet.WholeVersion(2), fleet.WholeVersion(3)
	now := time.Now()
	c := &fleet.Catalog{Product: fleet.Product{ID: 5}, Groups: map[fleet.GroupID]fleet.Version{eu: one}}
	begin := func(v fleet.Version) fleet.Release {
		t.Helper()
		r, err := c.Begin(fleet.Release{Group: eu, Version: v, Plan: plan(2000, fleet.Whole)}, now)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	first := begin(two)
	if first.ID != 1 || first.Base != one || first.Share != 2000 || c.Groups[eu] != two {
		t.Fatalf("got %+v, standing %s", first, c.Groups[eu])
	}
	if _, err := c.Begin(fleet.Release{Group: eu, Version: two, Plan: plan(fleet.Whole)}, now); err == nil {
		t.Error("the version that stands there was staged again")
	}
	second := begin(three)
	if second.ID != 2 || second.Base != one || second.Under == nil || second.Under.ID != 1 || second.Under.State != fleet.ReleaseHalted {
		t.Fatalf("got %+v over %+v", second, second.Under)
	}
	inFirst, inSecond, inNone := 0, 0, 0
	for hash := range uint32(10_000) {
		hash *= 429_497
		runs := one
		if first.Includes(hash, nil) && hash%2 == 0 { // half of them were updated before the second release
			runs = two
		}
		switch got := second.For(hash, nil, runs); {
		case second.Includes(hash, nil) && got == three:
			inSecond++
		case !second.Includes(hash, nil) && runs == two && got == two:
			inFirst++
		case !second.Includes(hash, nil) && runs == one && got == one:
			inNone++
		default:
			t.Fatalf("hash %d running %s: got %s", hash, runs, got)
		}
	}
	if inFirst < 500 || inSecond < 1500 || inNone < 5000 {
		t.Errorf("%d keep the first release, %d get the second, %d neither", inFirst, inSecond, inNone)
	}

	c.Withdraw(eu, now)
	if back := c.Staged[eu]; back.ID != 1 || back.State != fleet.ReleaseHalted || c.Groups[eu] != two || c.Ended[2].State != fleet.ReleaseWithdrawn {
		t.Errorf("the second taken back: %+v stands there, with %s", back, c.Groups[eu])
	}
	c.Stand(eu, one, now) // the base again, without a plan
	if len(c.Staged) != 0 || c.Groups[eu] != one || c.Ended[1].State != fleet.ReleaseReplaced {
		t.Errorf("the base again: %+v, standing %s", c.Staged, c.Groups[eu])
	}
	third := begin(two)
	if third.ID != 3 || third.Salt == first.Salt {
		t.Errorf("the same version once more: %+v", third)
	}
	c.End(eu, fleet.ReleaseDone, "", now)
	if len(c.Staged) != 0 || c.Groups[eu] != two || c.Ended[3].Share != fleet.Whole {
		t.Errorf("done: %+v, standing %s", c.Staged, c.Groups[eu])
	}
	begin(three)
	c.Clear(eu, now)
	if _, stands := c.Groups[eu]; stands || len(c.Staged) != 0 {
		t.Errorf("the group is deleted, and %s stands there", c.Groups[eu])
	}
}

func TestReleasesWithAPlanAreBounded(t *testing.T) {
	now := time.Now()
	c := &fleet.Catalog{}
	var err error
	begun := 0
	for ; err == nil && begun < 100; begun++ {
		_, err = c.Begin(fleet.Release{Group: fleet.GroupID(begun), Version: fleet.WholeVersion(1), Plan: plan(100, fleet.Whole)}, now)
	}
	if begun < 10 || begun == 100 {
		t.Errorf("%d began", begun)
	}
	for version := uint32(2); version < 100; version++ {
		if _, err = c.Begin(fleet.Release{Group: 0, Version: fleet.WholeVersion(version), Plan: plan(100, fleet.Whole)}, now); err != nil {
			break
		}
	}
	if err == nil {
		t.Error("100 releases stand one over the other")
	}
	if splits := len(c.Splits()); splits > 64 {
		t.Errorf("%d splits: the index takes 64", splits)
	}
	for version := uint32(2); version < 200; version++ {
		c.Stand(3, fleet.WholeVersion(version), now)
		if _, err := c.Begin(fleet.Release{Group: 3, Version: fleet.WholeVersion(1), Plan: plan(100, fleet.Whole)}, now); err != nil {
			t.Fatal(err)
		}
	}
	if ended := len(c.Ended); ended > 50 {
		t.Errorf("%d ended releases are kept", ended)
	}
	newest := c.Releases()[0]
	if again, err := c.Begin(fleet.Release{Group: 3, Version: fleet.WholeVersion(9), Plan: plan(fleet.Whole)}, now); err != nil || again.ID != newest.ID+1 {
		t.Errorf("after release %s came %s, %v", newest.ID, again.ID, err)
	}
}
