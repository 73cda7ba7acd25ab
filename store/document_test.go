package store

import (
	"reflect"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/store/document"
)

// TestEveryDocumentComesBackAsItWentIn writes and reads one of each kind. Records within are
// package record's to test: here each field has something to store.
func TestEveryDocumentComesBackAsItWentIn(t *testing.T) {
	t.Parallel()
	t.Run("catalog", func(t *testing.T) {
		checkKind(t, catalogKind, &fleet.Catalog{
			Product: fleet.Product{ID: 3, Slug: "sensor"}, Default: version("7"),
			Groups:   map[fleet.GroupID]fleet.Version{5: version("1.4.0"), 4: {}},
			Moves:    []fleet.Move{{Revision: 2, Group: 5, From: version("7")}, {Revision: 3}},
			Firmware: map[string]fleet.Firmware{"7.0.0": {Version: version("7")}, "junk:1": {Title: "a"}},
			Staged:   map[fleet.GroupID]fleet.Release{0: {ID: 4, Version: version("7"), Under: &fleet.Release{ID: 3}}, 5: {ID: 2, Share: 100}},
			Ended:    map[fleet.ReleaseID]fleet.Release{1: {ID: 1, State: fleet.ReleaseDone}},
		}, "Revision", "Immediate")
	})
	t.Run("roster", func(t *testing.T) {
		checkKind(t, rosterKind, &roster{
			team:     fleet.Team{ID: 1, Name: "one"},
			members:  map[fleet.UserID]fleet.Member{7: {User: 7}},
			groups:   map[fleet.GroupID]fleet.Group{8: {ID: 8}},
			products: map[fleet.ProductID]bool{2: true},
			invited:  map[string]fleet.Invitation{"abc": {ID: "abc"}},
			leaving:  map[fleet.GroupID]bool{9: true},
		}, "revision")
	})
	t.Run("account", func(t *testing.T) {
		checkKind(t, accountKind, &account{
			user: fleet.User{ID: 1}, teams: map[fleet.TeamID]bool{3: true}, tokens: map[string]bool{"abc": true},
		}, "revision")
	})
}

// checkKind writes and reads a document none of whose fields is zero but those elsewhere, which are
// stored apart or not at all.
func checkKind[T any](t *testing.T, k document.Kind[T], in *T, elsewhere ...string) {
	t.Helper()
	for i, v := 0, reflect.ValueOf(in).Elem(); i < v.NumField(); i++ {
		if name := v.Type().Field(i).Name; v.Field(i).IsZero() != slices.Contains(elsewhere, name) {
			t.Errorf("field %s: give it something to store", name)
		}
	}
	for name, value := range map[string]*T{"document": in, "copy": k.Clone(in)} {
		out, err := k.Read(k.Write(value))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(out, in, sameVersion, cmp.AllowUnexported(*in)); diff != "" {
			t.Errorf("%s: read (-) differs from written (+):\n%s", name, diff)
		}
	}
}

func TestABrokenRecordInADocumentIsAnError(t *testing.T) {
	t.Parallel()
	for _, fields := range []map[string]string{{"team": "\x01\xff"}, {"m:7": "\x01\xff"}, {"m:x": ""}, {"i:a": "\x01\xff"}} {
		if _, err := rosterKind.Read(fields); err == nil {
			t.Errorf("%q was read", fields)
		}
	}
}
