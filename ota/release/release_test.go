package release

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/muster-iot/muster/fleet"
)

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
			w.Default(row.def)
			for g, version := range row.released {
				w.ReleaseTo(g, version)
			}
			before := w.Catalog()
			_, preview := w.Impact(t.Context(), row.actor, product, row.order)
			if w.Catalog() != before {
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
			if w.Catalog().Default.String() != row.wantDef || fmt.Sprint(w.Catalog().Groups) != fmt.Sprint(want) {
				t.Errorf("got default %s, groups %v; want %s, %v", w.Catalog().Default, w.Catalog().Groups, row.wantDef, want)
			}
			f, _ := w.Catalog().Find(row.order.Version)
			if anywhere := row.wantDef == f.Version.String() || slices.Contains(mapValues(row.want), f.Version.String()); anywhere && !f.WasReleased {
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
		w.Store.Devices.SetOnline(id.In(1), true)
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
