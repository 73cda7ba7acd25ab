package precedence

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

// drawn is a catalog of up to nine versions, each with a range it can be installed over, a floor,
// a size and hardware, and a device.
func drawn(t *rapid.T) (*fleet.Catalog, Candidate) {
	number := func(max int, name string) uint32 { return uint32(rapid.IntRange(0, max).Draw(t, name)) }
	c := &fleet.Catalog{Firmware: map[string]fleet.Firmware{}}
	for n := uint32(1); n <= 9; n++ {
		if rapid.Float64Range(0, 1).Draw(t, "there") < 0.2 {
			continue
		}
		f := fleet.Firmware{Version: fleet.WholeVersion(n), Floor: number(12, "floor") / 10, Size: int64(number(10, "size")) * 10}
		if from := number(9, "from"); from > 2 {
			f.Requires.From = fleet.WholeVersion(min(from, n))
		}
		if below := number(12, "below"); below < 10 && below > 3 {
			f.Requires.Below = fleet.WholeVersion(below)
		}
		if number(5, "hardware") == 0 {
			f.Hardware = []string{"rev-b"}
		}
		c.Firmware[f.Version.Key()] = f
	}
	device := Candidate{UpdatesOn: true, MaxAttempts: 3, Running: fleet.WholeVersion(number(9, "running")), MaxImage: uint64(number(1, "small")) * 90}
	if device.Running.Equal(fleet.WholeVersion(0)) {
		device.Running = fleet.ReportedVersion("build of tuesday")
	}
	if number(1, "b") == 1 {
		device.Hardware = "rev-b"
	}
	return c, device
}

// reaches is the rule written a second time: whether a device that runs at with this floor gets to the
// target, trying each way that brings it nearer.
func reaches(c *fleet.Catalog, d *Candidate, at fleet.Version, floor uint32, target fleet.Firmware) bool {
	if target.Requires.Has(at) && target.Floor >= floor {
		return true
	}
	for _, f := range c.Firmware {
		low, high := at, target.Version
		if at.Valid() && at.Compare(high) > 0 {
			low, high = high, at
		}
		inside := f.Version.Compare(low) > 0 && f.Version.Compare(high) < 0
		if inside && f.Suits(d.Hardware) && (d.MaxImage == 0 || uint64(f.Size) <= d.MaxImage) &&
			f.Requires.Has(at) && f.Floor >= floor && reaches(c, d, f.Version, f.Floor, target) {
			return true
		}
	}
	return false
}

// TestSteppingStonesLeadToTheTarget follows hop after hop: each can be installed over the one before,
// brings the device nearer, is the nearest to the target that leads on, and is the one that the first
// explanation named. A device has a way until it is there, or never.
func TestSteppingStonesLeadToTheTarget(t *testing.T) {
	ways, without := 0, 0
	property := func(t *rapid.T) {
		c, d := drawn(t)
		target, uploaded := c.Find(fleet.WholeVersion(uint32(rapid.IntRange(1, 9).Draw(t, "target"))))
		if !uploaded || d.Running.Equal(target.Version) {
			return
		}
		d.Aim(c, target.Version)
		if !target.Suits(d.Hardware) || target.Floor < d.Floor || d.MaxImage > 0 && uint64(target.Size) > d.MaxImage {
			return // other gates
		}
		may := reaches(c, &d, d.Running, d.Floor, target)
		if _, way := d.Hop(); way != may {
			t.Fatalf("way %v, want %v", way, may)
		}
		if obstacle := d.Obstacle(); (obstacle == "no_way") == may || obstacle != "" && may {
			t.Fatalf("obstacle %q, way %v", obstacle, may)
		}
		if r, held := d.Refusal(); held == may || held && (r.Reason != wire.ReasonOther || r.Step.Rule != RuleRequires || r.Again != 0) {
			t.Fatalf("refusal %+v, way %v", r, may)
		}
		if !may {
			without++
			return
		}
		if !target.Requires.Has(d.Running) {
			ways++
		}
		var path []fleet.Version
		for _, step := range d.Steps() {
			if step.Rule == RuleRequires {
				path = step.Path
			}
		}
		for hops := 0; !d.Running.Equal(target.Version); hops++ {
			next, way := d.Hop()
			if !way || !next.Requires.Has(d.Running) || next.Floor < d.Floor || !next.Suits(d.Hardware) {
				t.Fatalf("from %s: %v %v can't be installed", d.Running, next.Version, way)
			}
			if len(path) > 0 && (hops >= len(path) || !path[hops].Equal(next.Version)) {
				t.Fatalf("hop %d is %s, explained as %v", hops, next.Version, path)
			}
			for _, f := range c.Firmware {
				nearer := f.Version.Compare(next.Version)*next.Version.Compare(d.Running) > 0 && d.Running.Valid() && f.Version.Compare(target.Version)*f.Version.Compare(d.Running) <= 0
				if nearer && f.Suits(d.Hardware) && (d.MaxImage == 0 || uint64(f.Size) <= d.MaxImage) && f.Requires.Has(d.Running) && f.Floor >= d.Floor && reaches(c, &d, f.Version, f.Floor, target) {
					t.Fatalf("from %s to %s by %s, and %s is nearer to %s", d.Running, target.Version, next.Version, f.Version, target.Version)
				}
			}
			d.Running = next.Version
			d.Aim(c, target.Version)
		}
	}
	for round := 0; ways < 10 || without < 10; round++ { // mostly one is enough; both counts follow from what was drawn
		if rapid.Check(t, property); t.Failed() || round == 100 {
			t.Fatalf("%d devices had stepping stones and %d had no way", ways, without)
		}
	}
}

func TestAFlashSendsTheVersionItselfOrNothing(t *testing.T) {
	c := stones(t)
	d := Candidate{Running: version(t, "1.0.0"), UpdatesOn: true, MaxAttempts: 3, Flash: true}
	d.Aim(c, version(t, "3.0.0"))
	if next, way := d.Hop(); way || next.Version.String() != "3.0.0" {
		t.Errorf("got %s, %v", next.Version, way)
	}
	want := "3.0.0 can only be installed over >=2.0.0 <3: install 1.4.0, 2.0.0, 3.0.0 one after the other"
	if r, held := d.Refusal(); !held || r.Step.String() != want {
		t.Errorf("got %v, %s", held, r.Step)
	}
}

// TestAHaltLeavesDevicesOnASteppingStone: they neither continue nor go back.
func TestAHaltLeavesDevicesOnASteppingStone(t *testing.T) {
	for _, row := range []struct {
		name    string
		running string
		change  func(*fleet.Release)
		want    string
	}{
		{"halted", "2", nil, "2"},
		{"running", "2", func(r *fleet.Release) { r.State = fleet.ReleaseRunning }, "3"},
		{"reverting", "2", func(r *fleet.Release) { r.State, r.Share = fleet.ReleaseReverting, 0 }, "1"},
		{"outside the share", "2", func(r *fleet.Release) { r.Share = 0 }, "1"},
		{"not begun", "1", nil, "1"},
		{"there already", "3", nil, "3"},
		{"beyond", "4", nil, "1"},
		{"a version that is not uploaded", "2.5.0", nil, "1"},
		{"a release that needs no stepping stones", "2", func(r *fleet.Release) { r.Version = fleet.WholeVersion(4) }, "1"},
	} {
		c := &fleet.Catalog{Default: fleet.WholeVersion(3), Firmware: map[string]fleet.Firmware{}}
		for _, n := range []uint32{1, 2, 3, 4} {
			f := fleet.Firmware{Version: fleet.WholeVersion(n)}
			if n == 3 {
				f.Requires.From = fleet.WholeVersion(2)
			}
			c.Firmware[f.Version.Key()] = f
		}
		r := fleet.Release{
			ID: 1, Version: fleet.WholeVersion(3), Base: fleet.WholeVersion(1), State: fleet.ReleaseHalted, Share: fleet.Whole,
			Plan: fleet.ReleasePlan{Stages: []fleet.ReleaseStage{{Share: fleet.Whole}}},
		}
		if row.change != nil {
			row.change(&r)
		}
		c.SetStaged(r)
		if got, _, _ := Decide(Facts{ID: "lamp", Running: fleet.ReportedVersion(row.running)}, c); got.String() != row.want {
			t.Errorf("%s: got %s, want %s", row.name, got, row.want)
		}
	}
}
