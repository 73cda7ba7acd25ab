package release

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/muster-iot/muster/fleet"
)

func TestAVersionIsReleasedOnlyIfItsImageCanBeRead(t *testing.T) {
	for _, row := range []struct {
		name   string
		actor  fleet.Actor
		before func(w *world, file string) error
		order  fleet.ReleaseOrder
		want   error
	}{
		{"as it was uploaded", admin, nil, fleet.ReleaseOrder{}, nil},
		{"missing", admin, func(_ *world, file string) error { return os.Remove(file) }, fleet.ReleaseOrder{}, fleet.Unavailable},
		{"missing, for one who may not release", viewer, func(_ *world, file string) error { return os.Remove(file) }, fleet.ReleaseOrder{}, fleet.Denied},
		{"cut off", admin, func(_ *world, file string) error { return os.Truncate(file, 100) }, fleet.ReleaseOrder{Groups: groups(beta)}, fleet.Unavailable},
		{"missing, for another group", admin, func(w *world, file string) error {
			w.ReleaseTo(beta, "3")
			return os.Remove(file)
		}, fleet.ReleaseOrder{Groups: groups(beta, eu)}, fleet.Unavailable},
		{"missing, but only taken back", admin, func(w *world, file string) error {
			w.ReleaseTo(beta, "3")
			w.ReleaseTo(eu, "3")
			return os.Remove(file)
		}, fleet.ReleaseOrder{Groups: groups(beta), Default: flag(false)}, nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := shop(t)
			f, _ := w.Catalog().Find(v("3"))
			if row.before != nil {
				w.must(row.before(w, w.ImageFile(f.Digest)))
			}
			revision := w.Catalog().Revision
			row.order.Version = v("3")
			_, err := w.Release(t.Context(), row.actor, product, row.order)
			if !errors.Is(err, row.want) || (err == nil) != (row.want == nil) {
				t.Fatalf("got %v, want %v", err, row.want)
			}
			if moved := w.Catalog().Revision != revision; moved != (row.want == nil) {
				t.Errorf("the catalog changed: %t", moved)
			}
			if errors.Is(err, fleet.Unavailable) && (!strings.Contains(err.Error(), "version 3 is not released") || errors.Is(err, fleet.NotFound)) {
				t.Errorf("got %v, want a sentence", err)
			}
		})
	}
}

func (w *world) must(err error) {
	if err != nil {
		w.T.Helper()
		w.T.Fatal(err)
	}
}
