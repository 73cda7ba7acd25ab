package release

import (
	"fmt"
	"slices"
	"testing"

	"github.com/muster-iot/muster/fleet"
)

func TestImpact(t *testing.T) {
	t.Parallel()
	in := func(e *fleet.IndexEntry, g fleet.GroupID) bool { return slices.Contains(e.Groups, g) }
	for _, row := range []struct {
		name    string
		actor   fleet.Actor
		def     string
		beta    string
		eu      string
		order   *fleet.ReleaseOrder
		ids     []fleet.DeviceID
		change  func(*fleet.IndexEntry)
		want    string // total of members, by version
		blocked string
		due     int
	}{
		{name: "release to a group", actor: admin, order: &fleet.ReleaseOrder{Version: v("2"), Groups: groups(beta)}, want: "3 of 6 [{2 3}]", blocked: "[{development 1} {locked 1} {not_now 1}]"},
		{name: "release to a group that has it", actor: admin, beta: "2", order: &fleet.ReleaseOrder{Version: v("2"), Groups: groups(beta)}, want: "0 of 6 []", blocked: "[{not_now 1}]", due: 2},
		{name: "release lower than another group's", actor: admin, eu: "3", order: &fleet.ReleaseOrder{Version: v("2"), Groups: groups(beta)}, want: "2 of 6 [{2 2}]", blocked: "[{development 1} {locked 1} {not_now 1}]"},
		{name: "unrelease falls to the default", actor: admin, def: "3", beta: "2", order: &fleet.ReleaseOrder{Version: v("2"), Groups: groups()}, want: "4 of 6 [{3 4}]", blocked: "[{development 1} {locked 1} {not_now 1}]"},
		{name: "moving a release between groups", actor: admin, def: "3", beta: "2", order: &fleet.ReleaseOrder{Version: v("2"), Groups: groups(eu)}, want: "4 of 7 [{3 3} {2 1}]", blocked: "[{development 1} {locked 1} {not_now 1}]", due: 1},
		{name: "default", actor: admin, beta: "1", order: &fleet.ReleaseOrder{Version: v("2")}, want: "2 of 8 [{2 2}]", blocked: "[]"},
		{name: "an editor's numbers are over visible devices", actor: editor, beta: "1", order: &fleet.ReleaseOrder{Version: v("2"), Groups: groups(beta), Default: flag(false)}, want: "3 of 6 [{2 3}]", blocked: "[{development 1} {locked 1} {not_now 1}]"},
		{name: "joining a group", actor: admin, beta: "3", ids: []fleet.DeviceID{"plain", "eu", "done", "absent"}, change: func(e *fleet.IndexEntry) {
			if !in(e, beta) {
				e.Groups = append([]fleet.GroupID{beta}, e.Groups...)
			}
		}, want: "2 of 3 [{3 2}]", blocked: "[]"},
		{name: "leaving all groups, a downgrade", actor: admin, def: "1", beta: "2", ids: []fleet.DeviceID{"done", "beta"}, change: func(e *fleet.IndexEntry) { e.Groups = nil }, want: "1 of 2 [{1 1}]", blocked: "[]"},
		{name: "lock", actor: admin, ids: []fleet.DeviceID{"plain"}, change: func(e *fleet.IndexEntry) { e.Lock = v("3") }, want: "1 of 1 [{3 1}]", blocked: "[]"},
		{name: "unlock", actor: admin, beta: "2", ids: []fleet.DeviceID{"locked"}, change: func(e *fleet.IndexEntry) { e.Lock = fleet.Version{} }, want: "1 of 1 [{2 1}]", blocked: "[]"},
		{name: "unmarking a development device", actor: admin, beta: "2", ids: []fleet.DeviceID{"dev"}, change: func(e *fleet.IndexEntry) { e.Development = false }, want: "1 of 1 [{2 1}]", blocked: "[]"},
		{name: "deleting a group", actor: admin, def: "3", beta: "2", change: func(e *fleet.IndexEntry) {
			e.Groups = slices.DeleteFunc(slices.Clone(e.Groups), func(g fleet.GroupID) bool { return g == beta })
		}, want: "4 of 6 [{3 4}]", blocked: "[{development 1} {locked 1} {not_now 1}]"},
		{name: "devices out of sight are not counted", actor: viewer, ids: []fleet.DeviceID{"plain", "eu"}, change: func(e *fleet.IndexEntry) { e.Lock = v("3") }, want: "1 of 1 [{3 1}]", blocked: "[]"},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := shop(t)
			w.Default(row.def)
			for g, version := range map[fleet.GroupID]string{beta: row.beta, eu: row.eu} {
				if version != "" {
					w.ReleaseTo(g, version)
				}
			}
			var impact fleet.Impact
			var err error
			if row.order != nil {
				impact, err = w.Impact(t.Context(), row.actor, product, *row.order)
			} else {
				impact, err = w.Preview(t.Context(), row.actor, product, row.ids, row.change)
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := fmt.Sprintf("%d of %d %v", impact.Total, impact.Of, impact.ByVersion); got != row.want {
				t.Errorf("got %s, want %s", got, row.want)
			}
			if got := fmt.Sprint(impact.Blocked); got != row.blocked {
				t.Errorf("blocked: got %s, want %s", got, row.blocked)
			}
			if impact.Due != row.due {
				t.Errorf("due: got %d, want %d", impact.Due, row.due)
			}
		})
	}
}

func TestImpactSaysWhatDevicesMoveFromAndWhoIsOnline(t *testing.T) {
	w := shop(t)
	w.ReleaseTo(beta, "3")
	w.Store.Index.SetOnline("1/beta", true)
	w.Store.Index.SetOnline("1/plain", true)
	w.Edit("beta", func(d *fleet.Device) {
		d.Update = fleet.Update{State: fleet.Downloading, From: v("1"), To: v("3")}
	})
	impact, err := w.Impact(t.Context(), admin, product, fleet.ReleaseOrder{Version: v("1"), Groups: groups(beta)})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprint(impact.Moves), "[{2 1 1}]"; got != want || impact.Lower() != 1 {
		t.Errorf("moves: got %s, %d of them downgrades; want %s, 1", got, impact.Lower(), want)
	}
	if impact.Ends != 1 {
		t.Errorf("running updates that end: got %d, want 1", impact.Ends)
	}
	impact, err = w.Impact(t.Context(), admin, product, fleet.ReleaseOrder{Version: v("2"), Groups: groups(beta)})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprint(impact.Moves), "[{1 2 3}]"; got != want || impact.Lower() != 0 || impact.Online != 1 || impact.Ends != 1 {
		t.Errorf("got moves %s, online %d, ended %d; want %s, 1, 1", got, impact.Online, impact.Ends, want)
	}
	sum := impact
	sum.Add(impact)
	if got, want := fmt.Sprint(sum.Moves), "[{1 2 6}]"; got != want || sum.Online != 2 || sum.Ends != 2 {
		t.Errorf("the sum of two: got moves %s, online %d, ended %d; want %s, 2, 2", got, sum.Online, sum.Ends, want)
	}
}

func TestProgress(t *testing.T) {
	w := shop(t)
	w.ReleaseTo(beta, "2")
	w.Device("rolled", "1", func(d *fleet.Device) {
		d.Groups, d.Update = []fleet.GroupID{beta}, fleet.Update{To: v("2"), State: fleet.RolledBack}
	})
	p, err := w.Progress(t.Context(), admin, product, v("2"))
	if err != nil || p.Devices != 5 || p.Running != 1 || fmt.Sprint(p.States) != fmt.Sprint(map[fleet.UpdateState]int{fleet.NoUpdate: 3, fleet.RolledBack: 1}) {
		t.Errorf("got %+v, %v", p, err)
	}
}
