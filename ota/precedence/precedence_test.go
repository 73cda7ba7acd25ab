package precedence

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/muster-iot/muster/fleet"
)

const (
	beta fleet.GroupID = iota + 1
	eu
	holdBack
	empty // a group without a release
)

func version(t testing.TB, s string) fleet.Version {
	t.Helper()
	if s == "" {
		return fleet.Version{}
	}
	v, err := fleet.ParseVersion(s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func catalog(t testing.TB, def string, groups map[fleet.GroupID]string) *fleet.Catalog {
	t.Helper()
	c := &fleet.Catalog{Default: version(t, def), Groups: map[fleet.GroupID]fleet.Version{}}
	for g, v := range groups {
		c.Groups[g] = version(t, v)
	}
	return c
}

func TestPrecedence(t *testing.T) {
	type releases = map[fleet.GroupID]string
	for _, row := range []struct {
		name    string
		dev     bool
		lock    string
		groups  []fleet.GroupID
		def     string
		release releases
		target  string
		reason  fleet.Reason
		winner  fleet.GroupID
	}{
		{name: "nothing released: it keeps what it runs", reason: fleet.BecauseNone},
		{name: "product default", def: "3", target: "3", reason: fleet.BecauseDefault},
		{name: "development beats everything", dev: true, groups: []fleet.GroupID{beta}, def: "3", release: releases{beta: "4"}, reason: fleet.BecauseDevelopment},
		{name: "development beats lock, which is kept and not applied", dev: true, lock: "2", def: "3", reason: fleet.BecauseDevelopment},
		{name: "lock beats group and default", lock: "2", groups: []fleet.GroupID{beta}, def: "3", release: releases{beta: "4"}, target: "2", reason: fleet.BecauseLock},
		{name: "lock to a lower version than any release", lock: "1", def: "3", target: "1", reason: fleet.BecauseLock},
		{name: "lock without any release", lock: "5", target: "5", reason: fleet.BecauseLock},
		{name: "group beats default", groups: []fleet.GroupID{beta}, def: "3", release: releases{beta: "4"}, target: "4", reason: fleet.BecauseGroup, winner: beta},
		{name: "group lower than default holds back", groups: []fleet.GroupID{holdBack}, def: "3", release: releases{holdBack: "1"}, target: "1", reason: fleet.BecauseGroup, winner: holdBack},
		{name: "two groups: the highest version", groups: []fleet.GroupID{beta, eu}, release: releases{beta: "2", eu: "4"}, target: "4", reason: fleet.BecauseGroup, winner: eu},
		{name: "two groups, same version: the lower id wins", groups: []fleet.GroupID{beta, eu}, release: releases{beta: "4", eu: "4"}, target: "4", reason: fleet.BecauseGroup, winner: beta},
		{name: "two groups, equal spelled apart: 7 equals 7.0.0", groups: []fleet.GroupID{beta, eu}, release: releases{beta: "7", eu: "7.0.0"}, target: "7", reason: fleet.BecauseGroup, winner: beta},
		{name: "10 is above 9", groups: []fleet.GroupID{beta, eu}, release: releases{beta: "10", eu: "9"}, target: "10", reason: fleet.BecauseGroup, winner: beta},
		{name: "1.10.0 is above 1.9.0", groups: []fleet.GroupID{beta, eu}, release: releases{beta: "1.9.0", eu: "1.10.0"}, target: "1.10.0", reason: fleet.BecauseGroup, winner: eu},
		{name: "a whole number compares as semver", groups: []fleet.GroupID{beta, eu}, release: releases{beta: "7", eu: "7.0.1"}, target: "7.0.1", reason: fleet.BecauseGroup, winner: eu},
		{name: "a pre-release is below its release", groups: []fleet.GroupID{beta, eu}, release: releases{beta: "1.4.0-rc.1", eu: "1.4.0"}, target: "1.4.0", reason: fleet.BecauseGroup, winner: eu},
		{name: "rc.10 is above rc.9", groups: []fleet.GroupID{beta, eu}, release: releases{beta: "1.4.0-rc.10", eu: "1.4.0-rc.9"}, target: "1.4.0-rc.10", reason: fleet.BecauseGroup, winner: beta},
		{name: "a pre-release alone is taken", groups: []fleet.GroupID{beta}, def: "1.3.0", release: releases{beta: "1.4.0-rc.1"}, target: "1.4.0-rc.1", reason: fleet.BecauseGroup, winner: beta},
		{name: "group without a release counts as no group", groups: []fleet.GroupID{empty}, def: "3", release: releases{beta: "4"}, target: "3", reason: fleet.BecauseDefault},
		{name: "group without a release along with one that has one", groups: []fleet.GroupID{beta, empty}, def: "3", release: releases{beta: "1"}, target: "1", reason: fleet.BecauseGroup, winner: beta},
		{name: "leaving the last group falls to the default, also a lower one", def: "1", release: releases{beta: "4"}, target: "1", reason: fleet.BecauseDefault},
		{name: "leaving the last group without a default", release: releases{beta: "4"}, reason: fleet.BecauseNone},
		{name: "unrelease falls to the other group", groups: []fleet.GroupID{beta, eu}, def: "3", release: releases{eu: "2"}, target: "2", reason: fleet.BecauseGroup, winner: eu},
		{name: "unrelease everywhere", groups: []fleet.GroupID{beta, eu}, reason: fleet.BecauseNone},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := catalog(t, row.def, row.release)
			d := fleet.Device{Development: row.dev, Lock: version(t, row.lock), Groups: row.groups}
			e := fleet.IndexEntry{Development: row.dev, Lock: version(t, row.lock), Groups: row.groups}
			for name, f := range map[string]Facts{"device": Of(&d), "entry": OfEntry(&e)} {
				target, reason, winner := Decide(f, c)
				if target.String() != row.target || reason != row.reason || winner != row.winner {
					t.Errorf("%s: got %q %s %d, want %q %s %d", name, target, reason, winner, row.target, row.reason, row.winner)
				}
				trace := Explain(f, c, func(fleet.GroupID) (string, bool) { return "g", true })
				if trace.Target != target || trace.Reason != reason {
					t.Errorf("%s: explained as %q %s, decided %q %s", name, trace.Target, trace.Reason, target, reason)
				}
			}
		})
	}
}

// naive restates the rules the long way.
func naive(f Facts, c *fleet.Catalog) (string, fleet.Reason) {
	if f.Development {
		return "", fleet.BecauseDevelopment
	}
	if !f.Lock.IsZero() {
		return f.Lock.Key(), fleet.BecauseLock
	}
	var all []fleet.Version
	for g, v := range c.Groups {
		for _, mine := range f.Groups {
			if g == mine {
				all = append(all, v)
			}
		}
	}
	for _, v := range all {
		highest := true
		for _, w := range all {
			highest = highest && v.Compare(w) >= 0
		}
		if highest {
			return v.Key(), fleet.BecauseGroup
		}
	}
	if !c.Default.IsZero() {
		return c.Default.Key(), fleet.BecauseDefault
	}
	return "", fleet.BecauseNone
}

func TestDecideAgreesWithANaiveRestatement(t *testing.T) {
	versions := []string{"", "1", "2", "9", "10", "1.4.0", "1.4.0-rc.1", "1.4.0-rc.10", "7", "7.0.0"}
	rapid.Check(t, func(rt *rapid.T) {
		pick := func(label string, from int) fleet.Version {
			return version(t, versions[rapid.IntRange(from, len(versions)-1).Draw(rt, label)])
		}
		c := &fleet.Catalog{Default: pick("default", 0), Groups: map[fleet.GroupID]fleet.Version{}}
		for g := range fleet.GroupID(6) {
			if rapid.Bool().Draw(rt, "released") {
				c.Groups[g+1] = pick("release", 1)
			}
		}
		groups := rapid.SliceOfDistinct(rapid.Uint32Range(1, 8), func(g uint32) uint32 { return g }).Draw(rt, "groups")
		f := Facts{Development: rapid.Float64Range(0, 1).Draw(rt, "dev") < 0.1}
		for _, g := range groups {
			f.Groups = append(f.Groups, fleet.GroupID(g))
		}
		f.Groups = fleet.SortGroups(f.Groups)
		if rapid.Float64Range(0, 1).Draw(rt, "locked") < 0.2 {
			f.Lock = pick("lock", 1)
		}
		target, reason, winner := Decide(f, c)
		wantTarget, wantReason := naive(f, c)
		if target.Key() != wantTarget || reason != wantReason {
			rt.Fatalf("got %q %s, want %q %s", target, reason, wantTarget, wantReason)
		}
		if (winner != 0) != (reason == fleet.BecauseGroup) || winner != 0 && !c.Groups[winner].Equal(target) {
			rt.Fatalf("winner %d does not give %q", winner, target)
		}
		trace := Explain(f, c, func(g fleet.GroupID) (string, bool) { return g.String(), g%2 == 0 })
		if trace.Target != target || trace.Reason != reason {
			rt.Fatalf("explained as %q %s, decided %q %s", trace.Target, trace.Reason, target, reason)
		}
	})
}

func TestHiddenGroupsAreOneStepWithoutNameOrVersion(t *testing.T) {
	c := catalog(t, "3", map[fleet.GroupID]string{beta: "4", eu: "5", holdBack: "1"})
	onlyHoldBack := func(g fleet.GroupID) (string, bool) { return "hold-back", g == holdBack }

	t.Run("a hidden group wins", func(t *testing.T) {
		trace := Explain(Facts{Groups: []fleet.GroupID{beta, eu, holdBack}}, c, onlyHoldBack)
		want := []words{
			{Rule: "development", Outcome: "none", Detail: "not a development device"},
			{Rule: "lock", Outcome: "none", Detail: "not locked"},
			{Rule: "group", Outcome: "wins", Detail: HiddenGroup},
			{Rule: "group", Outcome: "considered", Detail: "group hold-back has release 1"},
			{Rule: "default", Outcome: "passed over", Detail: "the product default 3 counts only where no other rule decides"},
		}
		compare(t, trace.Steps, want)
	})
	t.Run("a hidden group under a lock does not say that it has a release", func(t *testing.T) {
		trace := Explain(Facts{Lock: version(t, "2"), Groups: []fleet.GroupID{eu, holdBack}}, c, onlyHoldBack)
		want := []words{
			{Rule: "development", Outcome: "none", Detail: "not a development device"},
			{Rule: "lock", Outcome: "applies", Detail: "locked to 2, above every release"},
			{Rule: "group", Outcome: "considered", Detail: HiddenGroup},
			{Rule: "group", Outcome: "considered", Detail: "group hold-back has release 1"},
			{Rule: "default", Outcome: "passed over", Detail: "the product default 3 counts only where no other rule decides"},
		}
		compare(t, trace.Steps, want)
	})
}

// words is a step as people read it.
type words struct {
	Rule    Rule
	Outcome Outcome
	Detail  string
}

func compare(t *testing.T, got []Step, want []words) {
	t.Helper()
	for i := range max(len(got), len(want)) {
		var g, w words
		if i < len(got) {
			g = words{got[i].Rule, got[i].Outcome, got[i].String()}
		}
		if i < len(want) {
			w = want[i]
		}
		if g != w {
			t.Errorf("step %d: got %+v, want %+v", i, g, w)
		}
	}
}

func BenchmarkDecide(b *testing.B) {
	c := catalog(b, "3", map[fleet.GroupID]string{beta: "4", eu: "5.1.0", holdBack: "1"})
	d := fleet.Device{Groups: []fleet.GroupID{beta, eu, empty}}
	b.ReportAllocs()
	for b.Loop() {
		if target, _, _ := Decide(Of(&d), c); target.IsZero() {
			b.Fatal("no target")
		}
	}
}

func TestDecideAllocatesNothing(t *testing.T) {
	c := catalog(t, "3", map[fleet.GroupID]string{beta: "4", eu: "5.1.0"})
	f := Facts{Groups: []fleet.GroupID{beta, eu}}
	if n := testing.AllocsPerRun(100, func() { Decide(f, c) }); n != 0 {
		t.Errorf("got %v allocations, want 0", n)
	}
}
