package ota

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

const (
	beta fleet.GroupID = iota + 1
	eu
	gadgets // of another product
)

var (
	admin  = fleet.Actor{User: 1, Email: "ada@example.com", Team: team, Role: fleet.Admin}
	editor = fleet.Actor{User: 2, Team: team, Role: fleet.Editor, Groups: []fleet.GroupID{beta}}
	viewer = fleet.Actor{User: 3, Team: team, Role: fleet.Viewer, Groups: []fleet.GroupID{beta}}
	other  = fleet.Actor{User: 4, Team: team + 1, Role: fleet.Owner}
)

// shop is a world with versions 1 to 3, groups, and devices in them.
func shop(t testing.TB) *world {
	w := newWorld(t, Config{})
	for _, version := range []string{"1", "2", "3"} {
		w.firmware(version, 10_000)
	}
	w.groups = []fleet.Group{
		{ID: beta, Team: team, Product: product, Name: "beta"}, {ID: eu, Team: team, Name: "eu"},
		{ID: gadgets, Team: team, Product: product + 1, Name: "gadgets"},
	}
	in := func(groups ...fleet.GroupID) func(*fleet.Device) { return func(d *fleet.Device) { d.Groups = groups } }
	w.device("plain", "1")
	w.device("beta", "1", in(beta))
	w.device("eu", "1", in(eu))
	w.device("both", "1", in(beta, eu))
	w.device("dev", "1", in(beta), func(d *fleet.Device) { d.Development = true })
	w.device("locked", "1", in(beta), func(d *fleet.Device) { d.Lock = v("1") })
	w.device("notnow", "1", in(beta), func(d *fleet.Device) { d.UpdatesOn = false })
	w.device("done", "2", in(beta))
	return w
}

func groups(ids ...fleet.GroupID) *[]fleet.GroupID { return &ids }
func flag(b bool) *bool                            { return &b }

func TestUpload(t *testing.T) {
	for _, row := range []struct {
		name    string
		actor   fleet.Actor
		version string
		title   string
		image   string
		want    error
	}{
		{"an editor uploads", editor, "4", "new", "image", nil},
		{"a viewer may not", viewer, "4", "", "image", fleet.Denied},
		{"another team does not see the product", other, "4", "", "image", fleet.NotFound},
		{"the version is there", admin, "3", "", "image", fleet.Conflict},
		{"the version is there in another spelling", admin, "3.0.0", "", "image", fleet.Conflict},
		{"no version", admin, "", "", "image", fleet.Invalid},
		{"an unreadable version", admin, "x", "", "image", fleet.Invalid},
		{"empty", admin, "4", "", "", fleet.Invalid},
		{"over the limit", admin, "4", "", strings.Repeat("x", 101), fleet.TooLarge},
		{"title over the limit", admin, "4", strings.Repeat("x", MaxTitle+1), "image", fleet.Invalid},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := shop(t)
			w.cfg.MaxImage = 100
			images := len(w.bytes)
			f, err := w.Upload(t.Context(), row.actor, fleet.Firmware{Product: product, Version: v(row.version), Title: row.title, Released: true}, strings.NewReader(row.image))
			if !errors.Is(err, row.want) {
				t.Fatalf("got %v, want %v", err, row.want)
			}
			if row.want != nil {
				if len(w.bytes) != images {
					t.Error("an image was kept")
				}
				return
			}
			kept, ok := w.catalog.Find(v("4"))
			if !ok || kept != f || f.Size != 5 || f.Title != "new" || f.Released || f.By != editor.Email || f.Uploaded.IsZero() {
				t.Errorf("got %+v, kept %+v", f, kept)
			}
		})
	}
}

func TestDeleteFirmware(t *testing.T) {
	for _, row := range []struct {
		name   string
		actor  fleet.Actor
		before func(*world)
		want   error
	}{
		{"never released", admin, func(*world) {}, nil},
		{"an editor may not", editor, func(*world) {}, fleet.Denied},
		{"released once", admin, func(w *world) {
			for _, is := range []bool{true, false} {
				if _, err := w.Release(w.t.Context(), admin, product, fleet.ReleaseOrder{Version: v("3"), Default: &is}); err != nil {
					w.t.Fatal(err)
				}
			}
		}, fleet.Conflict},
		{"locked somewhere", admin, func(w *world) { w.device("x", "1", func(d *fleet.Device) { d.Lock = v("3.0.0") }) }, fleet.Conflict},
		{"the index is not built", admin, func(w *world) { w.unbuilt = true }, fleet.Unavailable},
	} {
		w := shop(t)
		row.before(w)
		f, _ := w.catalog.Find(v("3"))
		err := w.DeleteFirmware(t.Context(), row.actor, product, v("3"))
		_, there := w.catalog.Find(v("3"))
		if !errors.Is(err, row.want) || there != (row.want != nil) || (w.bytes[f.Digest] != nil) != there {
			t.Errorf("%s: got %v, still there: %v; want %v", row.name, err, there, row.want)
		}
	}
}

func TestAnImageSharedByTwoVersionsOutlivesOne(t *testing.T) {
	w := shop(t)
	for _, version := range []string{"4", "5"} {
		if _, err := w.Upload(t.Context(), admin, fleet.Firmware{Product: product, Version: v(version)}, strings.NewReader("same")); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.DeleteFirmware(t.Context(), admin, product, v("4")); err != nil {
		t.Fatal(err)
	}
	image, _, err := w.Image(t.Context(), editor, product, v("5"))
	if err != nil {
		t.Fatal(err)
	}
	if data, _ := io.ReadAll(image); string(data) != "same" {
		t.Errorf("got %q", data)
	}
}

func TestAnImageDeletedWhileTheSameIsUploadedIsNotMissed(t *testing.T) {
	w := shop(t)
	if _, err := w.Upload(t.Context(), admin, fleet.Firmware{Product: product, Version: v("4")}, strings.NewReader("same")); err != nil {
		t.Fatal(err)
	}
	w.afterPut = func() {
		if err := w.DeleteFirmware(t.Context(), admin, product, v("4")); err != nil {
			t.Error(err)
		}
	}
	_, err := w.Upload(t.Context(), admin, fleet.Firmware{Product: product, Version: v("5")}, strings.NewReader("same"))
	if _, there := w.catalog.Find(v("5")); !errors.Is(err, fleet.Conflict) || there {
		t.Errorf("got %v, in the catalog: %v; want conflict, false", err, there)
	}
}

func TestFirmwareListShowsOnlyWhatTheActorSees(t *testing.T) {
	w := shop(t)
	order := fleet.ReleaseOrder{Version: v("2"), Groups: groups(beta, eu), Default: flag(true)}
	if _, err := w.Release(t.Context(), admin, product, order); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		actor   fleet.Actor
		groups  string
		devices string // that run 3, 2, 1
	}{
		{admin, "[1 2]", "[0 1 7]"},
		{viewer, "[1]", "[0 1 6]"}, // not the one in eu alone
	} {
		list, err := w.Firmware(t.Context(), row.actor, product)
		if err != nil || len(list) != 3 || list[0].Version.String() != "3" {
			t.Fatalf("got %v, %v", list, err)
		}
		var devices []int
		for _, r := range list {
			devices = append(devices, r.Devices)
		}
		if fmt.Sprint(list[1].Groups) != row.groups || !list[1].Default || fmt.Sprint(devices) != row.devices {
			t.Errorf("%s: got groups %v, devices %v; want %s, %s", row.actor.Role, list[1].Groups, devices, row.groups, row.devices)
		}
	}
	w.unbuilt = true
	if list, err := w.Firmware(t.Context(), admin, product); err != nil || list[0].Devices != unknown {
		t.Errorf("index not built: got %v, %v", list, err)
	}
}

func TestEditFirmware(t *testing.T) {
	w := shop(t)
	title, long := "better", strings.Repeat("x", MaxDescription+1)
	f, err := w.EditFirmware(t.Context(), admin, product, v("3.0.0"), &title, nil)
	if err != nil || f.Title != title || f.Version.String() != "3" {
		t.Errorf("got %+v, %v", f, err)
	}
	for name, err := range map[string]error{
		"too long": second(w.EditFirmware(t.Context(), admin, product, v("3"), nil, &long)),
		"editor":   second(w.EditFirmware(t.Context(), editor, product, v("3"), &title, nil)),
		"absent":   second(w.EditFirmware(t.Context(), admin, product, v("9"), &title, nil)),
	} {
		want := map[string]error{"too long": fleet.Invalid, "editor": fleet.Denied, "absent": fleet.NotFound}[name]
		if !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", name, err, want)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestRelease(t *testing.T) {
	type releases = map[fleet.GroupID]string
	for _, row := range []struct {
		name     string
		actor    fleet.Actor
		def      string
		released releases
		order    fleet.ReleaseOrder
		wantDef  string
		want     releases
		err      error
	}{
		{name: "a bare version becomes the default", actor: admin, released: releases{beta: "2"}, order: fleet.ReleaseOrder{Version: v("3")}, wantDef: "3", want: releases{beta: "2"}},
		{name: "groups leave the default as it is", actor: admin, def: "1", order: fleet.ReleaseOrder{Version: v("3"), Groups: groups(beta)}, wantDef: "1", want: releases{beta: "3"}},
		{name: "the default leaves groups as they are", actor: admin, released: releases{beta: "3"}, order: fleet.ReleaseOrder{Version: v("3"), Default: flag(true)}, wantDef: "3", want: releases{beta: "3"}},
		{name: "groups are absolute for the version", actor: admin, released: releases{beta: "3"}, order: fleet.ReleaseOrder{Version: v("3"), Groups: groups(eu)}, want: releases{eu: "3"}},
		{name: "another version in a group is replaced, elsewhere kept", actor: admin, released: releases{beta: "2", eu: "2"}, order: fleet.ReleaseOrder{Version: v("3"), Groups: groups(beta)}, want: releases{beta: "3", eu: "2"}},
		{name: "no groups and no default takes it back everywhere", actor: admin, def: "3", released: releases{beta: "3", eu: "2"}, order: fleet.ReleaseOrder{Version: v("3"), Groups: groups(), Default: flag(false)}, want: releases{eu: "2"}},
		{name: "not the default, which another version is", actor: admin, def: "2", order: fleet.ReleaseOrder{Version: v("3"), Groups: groups(beta), Default: flag(false)}, wantDef: "2", want: releases{beta: "3"}},
		{name: "another spelling of the version", actor: admin, released: releases{beta: "3"}, order: fleet.ReleaseOrder{Version: v("3.0.0"), Groups: groups(eu)}, want: releases{eu: "3"}},
		{name: "a lower version than before", actor: admin, def: "3", order: fleet.ReleaseOrder{Version: v("1")}, wantDef: "1"},
		{name: "an editor's set covers their groups only", actor: editor, def: "3", released: releases{beta: "3", eu: "3"}, order: fleet.ReleaseOrder{Version: v("3"), Groups: groups()}, wantDef: "3", want: releases{eu: "3"}},
		{name: "an editor releases to a group they hold", actor: editor, released: releases{eu: "3"}, order: fleet.ReleaseOrder{Version: v("3"), Groups: groups(beta)}, want: releases{beta: "3", eu: "3"}},
		{name: "an editor does not see other groups", actor: editor, order: fleet.ReleaseOrder{Version: v("3"), Groups: groups(beta, eu)}, err: fleet.NotFound},
		{name: "an editor may not make a default", actor: editor, order: fleet.ReleaseOrder{Version: v("3"), Default: flag(true)}, err: fleet.Denied},
		{name: "an editor may not make a default by a bare version", actor: editor, order: fleet.ReleaseOrder{Version: v("3")}, err: fleet.Denied},
		{name: "an editor may not take a default back", actor: editor, def: "3", order: fleet.ReleaseOrder{Version: v("3"), Default: flag(false)}, wantDef: "3", err: fleet.Denied},
		{name: "an editor may say that it is not the default when it isn't", actor: editor, order: fleet.ReleaseOrder{Version: v("3"), Groups: groups(beta), Default: flag(false)}, want: releases{beta: "3"}},
		{name: "a viewer may not", actor: viewer, order: fleet.ReleaseOrder{Version: v("3"), Groups: groups(beta)}, err: fleet.Denied},
		{name: "a viewer may not, with an empty set", actor: viewer, order: fleet.ReleaseOrder{Version: v("3"), Groups: groups()}, err: fleet.Denied},
		{name: "a viewer may not, changing nothing", actor: viewer, order: fleet.ReleaseOrder{Version: v("3"), Default: flag(false)}, err: fleet.Denied},
		{name: "another team", actor: other, order: fleet.ReleaseOrder{Version: v("3")}, err: fleet.NotFound},
		{name: "a version that is not there", actor: admin, order: fleet.ReleaseOrder{Version: v("9")}, err: fleet.NotFound},
		{name: "a group that is not there", actor: admin, order: fleet.ReleaseOrder{Version: v("3"), Groups: groups(77)}, err: fleet.NotFound},
		{name: "a group of another product", actor: admin, order: fleet.ReleaseOrder{Version: v("3"), Groups: groups(gadgets)}, err: fleet.Invalid},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := shop(t)
			w.catalog.Default = v(row.def)
			for g, version := range row.released {
				w.catalog.Groups[g] = v(version)
			}
			before := w.catalog
			_, preview := w.Impact(t.Context(), row.actor, product, row.order)
			if w.catalog != before {
				t.Error("previewing changed the catalog")
			}
			r, err := w.Release(t.Context(), row.actor, product, row.order)
			if !errors.Is(err, row.err) || !errors.Is(preview, row.err) {
				t.Fatalf("got %v, previewing it %v; want %v", err, preview, row.err)
			}
			want := map[fleet.GroupID]fleet.Version{}
			for g, version := range row.want {
				want[g] = v(version)
			}
			if row.err != nil {
				return
			}
			if w.catalog.Default.String() != row.wantDef || fmt.Sprint(w.catalog.Groups) != fmt.Sprint(want) {
				t.Errorf("got default %s, groups %v; want %s, %v", w.catalog.Default, w.catalog.Groups, row.wantDef, want)
			}
			f, _ := w.catalog.Find(row.order.Version)
			if anywhere := row.wantDef == f.Version.String() || slices.Contains(mapValues(row.want), f.Version.String()); anywhere && !f.Released {
				t.Error("not marked as released")
			}
			if r.Default != (row.wantDef == f.Version.String()) || len(w.changed) != 1 {
				t.Errorf("got %+v, announced %v", r, w.changed)
			}
		})
	}
}

func mapValues(m map[fleet.GroupID]string) (values []string) {
	for _, s := range m {
		values = append(values, s)
	}
	return values
}

func TestImmediateReleaseNamesTheOnlineTargets(t *testing.T) {
	w := shop(t)
	for _, id := range []fleet.DeviceID{"beta", "dev", "locked", "done", "eu"} {
		w.online[id] = true
	}
	order := fleet.ReleaseOrder{Version: v("2"), Groups: groups(beta)}
	for _, now := range []bool{false, true, true} { // the second "now" finds them too: they don't run it yet
		order.Now = now
		if _, err := w.Release(t.Context(), admin, product, order); err != nil {
			t.Fatal(err)
		}
	}
	if got := fmt.Sprint(w.changed); got != "[[] [beta] [beta]]" {
		t.Errorf("got %s, want [[] [beta] [beta]]", got)
	}
}

func TestImpact(t *testing.T) {
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
	}{
		{name: "release to a group", actor: admin, order: &fleet.ReleaseOrder{Version: v("2"), Groups: groups(beta)}, want: "3 of 6 [{2 3}]", blocked: "[{development 1} {locked 1} {not_now 1}]"},
		{name: "release to a group that has it", actor: admin, beta: "2", order: &fleet.ReleaseOrder{Version: v("2"), Groups: groups(beta)}, want: "0 of 6 []", blocked: "[]"},
		{name: "release lower than another group's", actor: admin, eu: "3", order: &fleet.ReleaseOrder{Version: v("2"), Groups: groups(beta)}, want: "2 of 6 [{2 2}]", blocked: "[{development 1} {locked 1} {not_now 1}]"},
		{name: "unrelease falls to the default", actor: admin, def: "3", beta: "2", order: &fleet.ReleaseOrder{Version: v("2"), Groups: groups()}, want: "4 of 6 [{3 4}]", blocked: "[{development 1} {locked 1} {not_now 1}]"},
		{name: "moving a release between groups", actor: admin, def: "3", beta: "2", order: &fleet.ReleaseOrder{Version: v("2"), Groups: groups(eu)}, want: "4 of 7 [{3 3} {2 1}]", blocked: "[{development 1} {locked 1} {not_now 1}]"},
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
		}, want: "4 of 8 [{3 4}]", blocked: "[{development 1} {locked 1} {not_now 1}]"},
		{name: "devices out of sight are not counted", actor: viewer, ids: []fleet.DeviceID{"plain", "eu"}, change: func(e *fleet.IndexEntry) { e.Lock = v("3") }, want: "1 of 1 [{3 1}]", blocked: "[]"},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := shop(t)
			w.catalog.Default = v(row.def)
			for g, version := range map[fleet.GroupID]string{beta: row.beta, eu: row.eu} {
				if version != "" {
					w.catalog.Groups[g] = v(version)
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
		})
	}
}

func TestProgress(t *testing.T) {
	w := shop(t)
	w.catalog.Groups[beta] = v("2")
	w.device("rolled", "1", func(d *fleet.Device) {
		d.Groups, d.Update = []fleet.GroupID{beta}, fleet.Update{To: v("2"), State: fleet.RolledBack}
	})
	p, err := w.Progress(t.Context(), admin, product, v("2"))
	if err != nil || p.Devices != 5 || p.Running != 1 || fmt.Sprint(p.States) != fmt.Sprint(map[fleet.UpdateState]int{fleet.NoUpdate: 3, fleet.RolledBack: 1}) {
		t.Errorf("got %+v, %v", p, err)
	}
}

func TestStopHoldsUntilRetry(t *testing.T) {
	w := shop(t)
	w.catalog.Default = v("2")
	r, _ := w.connect("plain", "1")
	if err := w.Stop(t.Context(), viewer, "plain"); !errors.Is(err, fleet.Denied) {
		t.Errorf("viewer: got %v, want denied", err)
	}
	if err := w.Stop(t.Context(), other, "plain"); !errors.Is(err, fleet.NotFound) {
		t.Errorf("another team: got %v, want not found", err)
	}
	if err := w.Stop(t.Context(), editor, "plain"); err != nil {
		t.Fatal(err)
	}
	if r.count != 0 || len(r.stops) != 1 || r.stops[0].Reason != wire.ReasonStopped || w.Stats().Running != 0 {
		t.Errorf("got %d owed, stops %v", r.count, r.stops)
	}
	if d := w.devices["plain"]; d.Update.State != fleet.Stopped || d.Attempts.Spent != 0 || !d.Attempts.Held {
		t.Errorf("got %+v", d)
	}
	if p := r.sayHello(); p.Refused != wire.ReasonStopped || len(r.offers) != 1 {
		t.Errorf("held: got refused %d, %d offers", p.Refused, len(r.offers))
	}
	if err := w.Stop(t.Context(), editor, "plain"); !errors.Is(err, fleet.Conflict) {
		t.Errorf("twice: got %v, want conflict", err)
	}
	if err := w.Retry(t.Context(), editor, "plain"); err != nil || fmt.Sprint(w.ready) != "[plain]" {
		t.Errorf("got %v, ready %v", err, w.ready)
	}
	if r.again(AtSlot); len(r.offers) != 2 || r.offers[0].Update == r.offers[1].Update {
		t.Errorf("retried: got offers %v", r.offers)
	}
	r.report(wire.ReportStored)
	if err := w.Stop(t.Context(), editor, "plain"); err != nil || len(r.stops) != 2 {
		t.Errorf("stored: got %v, stops %v", err, r.stops)
	}
}

func TestStopAfterApplyingIsRefused(t *testing.T) {
	w := shop(t)
	w.catalog.Default = v("2")
	r, _ := w.connect("plain", "1")
	r.report(wire.ReportApplying)
	if err := w.Stop(t.Context(), admin, "plain"); !errors.Is(err, fleet.Conflict) || len(r.stops) != 0 {
		t.Errorf("got %v, stops %v; want conflict, none", err, r.stops)
	}
}

func TestUpdatesListsEachDevicesNewest(t *testing.T) {
	w := shop(t)
	w.catalog.Default = v("2")
	for _, id := range []fleet.DeviceID{"plain", "beta", "eu"} {
		r, _ := w.connect(id, "1")
		if id == "beta" {
			r.report(wire.ReportFailed, func(p *wire.Report) { p.Reason = wire.ReasonStorage })
		}
	}
	ids := func(q fleet.UpdateQuery) (s string) {
		t.Helper()
		for {
			list, next, err := w.Updates(t.Context(), q.Actor, q)
			if err != nil {
				t.Fatal(err)
			}
			for _, u := range list {
				s += fmt.Sprintf("%s:%s ", u.Device, u.State)
			}
			if q.After = next; next == "" {
				return s
			}
		}
	}
	for _, row := range []struct {
		name string
		q    fleet.UpdateQuery
		want string
	}{
		{"all, page by page", fleet.UpdateQuery{Actor: admin, Product: product, Limit: 1}, "beta:failed eu:offered plain:offered "},
		{"by state", fleet.UpdateQuery{Actor: admin, Product: product, States: []fleet.UpdateState{fleet.Failed}}, "beta:failed "},
		{"by version", fleet.UpdateQuery{Actor: admin, Product: product, Version: v("3")}, ""},
		{"visible ones", fleet.UpdateQuery{Actor: viewer, Product: product}, "beta:failed plain:offered "},
		{"one device", fleet.UpdateQuery{Actor: admin, Device: "plain"}, "plain:offered "},
		{"one device's history", fleet.UpdateQuery{Actor: admin, Device: "beta"}, "beta:failed "},
	} {
		if got := ids(row.q); got != row.want {
			t.Errorf("%s: got %q, want %q", row.name, got, row.want)
		}
	}
	if _, _, err := w.Updates(t.Context(), viewer, fleet.UpdateQuery{Actor: viewer, Device: "eu"}); !errors.Is(err, fleet.NotFound) {
		t.Errorf("out of sight: got %v, want not found", err)
	}
}

func TestWhy(t *testing.T) {
	w := shop(t)
	w.catalog.Default, w.catalog.Groups[beta], w.catalog.Groups[eu] = v("1"), v("2"), v("3")
	outcome := func(actor fleet.Actor, id fleet.DeviceID, rule string) string {
		t.Helper()
		trace, err := w.Why(t.Context(), actor, id)
		if err != nil {
			t.Fatal(err)
		}
		for _, step := range slices.Backward(trace.Steps) {
			if step.Rule == rule {
				return step.Outcome + ": " + step.Detail
			}
		}
		return ""
	}
	trace, err := w.Why(t.Context(), editor, "both")
	if err != nil || trace.Target.String() != "3" || trace.Reason != fleet.BecauseGroup {
		t.Errorf("got %+v, %v", trace, err)
	}
	for _, step := range trace.Steps {
		if strings.Contains(step.Detail, "eu") {
			t.Errorf("a hidden group's name is told: %+v", step)
		}
	}
	if _, err := w.Why(t.Context(), editor, "eu"); !errors.Is(err, fleet.NotFound) {
		t.Errorf("out of sight: got %v, want not found", err)
	}
	if _, err := w.Why(t.Context(), other, "plain"); !errors.Is(err, fleet.NotFound) {
		t.Errorf("another team: got %v, want not found", err)
	}
	for _, row := range []struct {
		name   string
		id     fleet.DeviceID
		change func(*fleet.Device)
		rule   string
		want   string
	}{
		{"runs it", "done", nil, "running", "same: it runs 2 already"},
		{"differs", "beta", nil, "running", "differs: it runs 1, not 2"},
		{"development", "dev", nil, "running", "kept: it keeps 1"},
		{"not now", "notnow", nil, "updates", `holds it back: the device says "not now"`},
		{"attempts", "beta", func(d *fleet.Device) { d.Attempts = fleet.Attempts{Target: v("2"), Spent: 1} }, "attempts", "passes: 1 of 3 attempts spent"},
		{"exhausted", "beta", func(d *fleet.Device) { d.Attempts = fleet.Attempts{Target: v("2"), Spent: 3} }, "attempts", "holds it back: exhausted: 3 of 3 attempts spent; nothing until the target changes or someone retries"},
		{"held", "beta", func(d *fleet.Device) { d.Attempts = fleet.Attempts{Target: v("2"), Held: true} }, "hold", "holds it back: stopped by an operator: nothing until the target changes or someone retries"},
		{"capacity", "beta", nil, "capacity", "free: 0 of 1000 updates run"},
		{"flash", "dev", func(d *fleet.Device) { d.Flash = v("3") }, "flash", "applies: an operator sends 3 once, whatever the rules say"},
		{"handshake", "beta", nil, "handshake", "awaited: it is decided at the next handshake; the last one was never"},
	} {
		d := w.devices[row.id]
		if row.change != nil {
			row.change(&d)
		}
		kept := w.devices[row.id]
		w.devices[row.id] = d
		if got := outcome(admin, row.id, row.rule); got != row.want {
			t.Errorf("%s: got %q, want %q", row.name, got, row.want)
		}
		w.devices[row.id] = kept
	}
}

func TestABLEDeviceIsSeenThroughItsGatewayButNotChanged(t *testing.T) {
	w := shop(t)
	w.catalog.Default = v("2")
	w.device("gw", "1", func(d *fleet.Device) { d.Kind, d.Groups = fleet.Gateway, []fleet.GroupID{beta} })
	w.device("ble", "1", func(d *fleet.Device) {
		d.Kind, d.Gateway, d.Groups = fleet.BLE, "gw", []fleet.GroupID{eu}
		d.Update = fleet.Update{To: v("2"), State: fleet.Downloading}
	})
	if _, err := w.Why(t.Context(), editor, "ble"); err != nil {
		t.Errorf("why: got %v, want none", err)
	}
	if err := w.Stop(t.Context(), editor, "ble"); !errors.Is(err, fleet.Denied) {
		t.Errorf("stop: got %v, want denied", err)
	}
	list, _, err := w.Updates(t.Context(), editor, fleet.UpdateQuery{Actor: editor, Product: product})
	if err != nil || len(list) != 1 || list[0].Device != "ble" {
		t.Errorf("updates: got %v, %v", list, err)
	}
}
