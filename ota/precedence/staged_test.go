package precedence

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/muster-iot/muster/fleet"
)

// staged is a catalog in which eu gives 1.9.2, and 2.0.0 to the first tenth of its devices.
func staged(t testing.TB, change func(*fleet.Release)) *fleet.Catalog {
	c := catalog(t, "1.0.0", map[fleet.GroupID]string{eu: "1.9.2"})
	plan := fleet.ReleasePlan{Stages: []fleet.ReleaseStage{{Share: 1000}, {Share: fleet.Whole}}}
	r, err := c.Begin(fleet.Release{Group: eu, Version: version(t, "2.0.0"), Plan: plan}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(&r)
	}
	c.SetStaged(r)
	return c
}

// placed returns the id of a device that is inside c's release to eu, or outside.
func placed(c *fleet.Catalog, inside bool) fleet.DeviceID {
	r := c.Staged[eu]
	for n := 0; ; n++ {
		if id := fleet.DeviceID(fmt.Sprint("lamp-", n)); (r.Place(id.Hash()) < 1000) == inside {
			return id
		}
	}
}

func TestReleasesWithAPlan(t *testing.T) {
	for _, row := range []struct {
		name   string
		change func(*fleet.Release)
		inside bool
		facts  func(*Facts)
		target string
		group  string // the step about the group, with P for the device's place
	}{
		{name: "inside", inside: true, target: "2.0.0", group: "group eu releases 2.0.0 to 10 % of its devices; this device is at P"},
		{name: "outside", target: "1.9.2", group: "group eu releases 2.0.0 to 10 % of its devices; this device is at P, so group eu still gives 1.9.2"},
		{name: "outside, and nothing stood there", change: func(r *fleet.Release) { r.Base = fleet.Version{} }, target: "1.0.0", group: "group eu releases 2.0.0 to 10 % of its devices; this device is at P, so group eu gives nothing yet"},
		{name: "to everyone", change: func(r *fleet.Release) { r.Share = fleet.Whole }, target: "2.0.0", group: "group eu releases 2.0.0 to 100 % of its devices; this device is at P"},
		{name: "to nobody yet", change: func(r *fleet.Release) { r.Share, r.State = 0, fleet.ReleaseScheduled }, inside: true, target: "1.9.2", group: "group eu will release 2.0.0: until then group eu still gives 1.9.2"},
		{name: "halted: it runs something else", change: func(r *fleet.Release) { r.State = fleet.ReleaseHalted }, inside: true, target: "1.9.2", group: "release 1 of 2.0.0 is halted, so group eu still gives 1.9.2"},
		{name: "halted: it runs the version", change: func(r *fleet.Release) { r.State = fleet.ReleaseHalted }, inside: true, facts: func(f *Facts) { f.Running = fleet.ReportedVersion("2.0.0") }, target: "2.0.0", group: "group eu releases 2.0.0 to 10 % of its devices; this device is at P"},
		{name: "reverting", change: func(r *fleet.Release) { r.Share, r.State = 0, fleet.ReleaseReverting }, inside: true, facts: func(f *Facts) { f.Running = fleet.ReportedVersion("2.0.0") }, target: "1.9.2", group: "group eu takes 2.0.0 back: group eu still gives 1.9.2"},
		{name: "a development device", inside: true, facts: func(f *Facts) { f.Development = true }, group: "group eu releases 2.0.0 to 10 % of its devices; this device is at P"},
		{name: "a locked device", inside: true, facts: func(f *Facts) { f.Lock = fleet.ReportedVersion("1.2.0") }, target: "1.2.0", group: "group eu releases 2.0.0 to 10 % of its devices; this device is at P"},
		{name: "another group gives more", facts: func(f *Facts) { f.Groups = []fleet.GroupID{beta, eu} }, target: "1.9.5", group: "group eu releases 2.0.0 to 10 % of its devices; this device is at P, so group eu still gives 1.9.2"},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := staged(t, row.change)
			c.Groups[beta] = version(t, "1.9.5")
			f := Facts{ID: placed(c, row.inside), Groups: []fleet.GroupID{eu}}
			if row.facts != nil {
				row.facts(&f)
			}
			target, reason, winner := Decide(f, c)
			if target.String() != row.target {
				t.Errorf("got %q, want %q", target, row.target)
			}
			r := c.Staged[eu]
			wantBy := fleet.ReleaseID(0)
			if row.target == "2.0.0" {
				wantBy = r.ID
			}
			if by := Staged(f, c, target, reason, winner); by != wantBy {
				t.Errorf("given by release %s, want %s", by, wantBy)
			}
			trace := Explain(f, c, func(g fleet.GroupID) (string, bool) { return map[fleet.GroupID]string{eu: "eu", beta: "beta"}[g], true })
			if trace.Target != target {
				t.Errorf("explained as %q", trace.Target)
			}
			for _, step := range trace.Steps {
				if step.Staged.Release == 0 {
					continue
				}
				place := r.Place(f.ID.Hash()).String()
				if got := step.String(); got != replaceP(row.group, place) {
					t.Errorf("got  %q\nwant %q", got, replaceP(row.group, place))
				}
				return
			}
			t.Error("no step explains the release")
		})
	}
}

func replaceP(text, place string) string {
	for i := 0; i+4 <= len(text); i++ {
		if text[i:i+4] == "at P" {
			return text[:i] + "at " + place + text[i+4:]
		}
	}
	return text
}

func TestTheDefaultIsStagedToo(t *testing.T) {
	c := catalog(t, "1.9.2", nil)
	plan := fleet.ReleasePlan{Stages: []fleet.ReleaseStage{{Share: 1000}, {Share: fleet.Whole}}}
	r, err := c.Begin(fleet.Release{Version: version(t, "2.0.0"), Plan: plan}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for n := range 100 {
		f := Facts{ID: fleet.DeviceID(fmt.Sprint("lamp-", n))}
		place := r.Place(f.ID.Hash())
		want, says := "1.9.2", fmt.Sprintf("the product default releases 2.0.0 to 10 %% of the product's devices; this device is at %s, so the product default still gives 1.9.2", place)
		if place < 1000 {
			want, says = "2.0.0", fmt.Sprintf("the product default releases 2.0.0 to 10 %% of the product's devices; this device is at %s", place)
		}
		target, reason, winner := Decide(f, c)
		trace := Explain(f, c, func(fleet.GroupID) (string, bool) { return "", true })
		if step := trace.Steps[len(trace.Steps)-1]; target.String() != want || step.String() != says {
			t.Errorf("%s: got %q, %q; want %q, %q", f.ID, target, step, want, says)
		}
		if by := Staged(f, c, target, reason, winner); (by == r.ID) != (place < 1000) {
			t.Errorf("%s: given by release %s", f.ID, by)
		}
	}
}

// TestEachGroupGivesWhatItsReleaseGives restates the rules for catalogs with releases at any
// share: the highest of what the groups give, then what the default gives.
func TestEachGroupGivesWhatItsReleaseGives(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		pick := func(label string) fleet.Version { return fleet.WholeVersion(rapid.Uint32Range(1, 5).Draw(rt, label)) }
		c := &fleet.Catalog{Default: pick("default"), Groups: map[fleet.GroupID]fleet.Version{}}
		for _, g := range []fleet.GroupID{0, 1, 2, 3} {
			if g > 0 && rapid.Bool().Draw(rt, "released") {
				c.Groups[g] = pick("release")
			}
			for range rapid.IntRange(0, 3).Draw(rt, "with a plan") {
				version := pick("staged")
				if c.At(g).Equal(version) {
					continue
				}
				plan := fleet.ReleasePlan{Stages: []fleet.ReleaseStage{{Share: fleet.Share(rapid.IntRange(1, 10_000).Draw(rt, "share"))}}}
				if r, err := c.Begin(fleet.Release{Group: g, Version: version, Plan: plan}, time.Now()); err == nil && rapid.Bool().Draw(rt, "halted") {
					r.State = fleet.ReleaseHalted
					c.SetStaged(r)
				}
			}
		}
		f := Facts{ID: fleet.DeviceID(fmt.Sprint(rapid.Uint16().Draw(rt, "device"))), Running: pick("running")}
		for g := range fleet.GroupID(4) {
			if rapid.Bool().Draw(rt, "in") {
				f.Groups = append(f.Groups, g+1)
			}
		}
		gives := func(target fleet.GroupID) fleet.Version {
			r, ok := c.Staged[target]
			if !ok {
				return c.At(target)
			}
			chain := []fleet.Release{r}
			for r.Under != nil {
				r = *r.Under
				chain = append(chain, r)
			}
			for _, r := range chain {
				inside := fleet.Place(f.ID.Hash(), r.Salt) < r.Share
				if inside && (r.State != fleet.ReleaseHalted || f.Running.Equal(r.Version)) {
					return r.Version
				}
			}
			return r.Base
		}
		var want fleet.Version
		for _, g := range f.Groups {
			if v := gives(g); v.Compare(want) > 0 {
				want = v
			}
		}
		if want.IsZero() {
			want = gives(0)
		}
		if got, _, _ := Decide(f, c); !got.Equal(want) {
			rt.Fatalf("got %q, want %q", got, want)
		}
	})
}

func BenchmarkDecideStaged(b *testing.B) {
	c := staged(b, nil)
	d := fleet.Device{ID: "lamp-7", Groups: []fleet.GroupID{beta, eu, empty}}
	b.ReportAllocs()
	for b.Loop() {
		if target, _, _ := Decide(Of(&d), c); target.IsZero() {
			b.Fatal("no target")
		}
	}
}
