package registry

import (
	"context"
	"crypto/sha256"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/muster-iot/muster/fleet"
)

func TestImportTakesWhatIsKnownOfADevice(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), context.Background()
	known := fleet.Secret(sha256.Sum256([]byte("0123456789abcdef")))
	got, err := w.Import(ctx, actor(fleet.Admin), fleet.Import{Product: 1, Groups: []string{"a"}, Devices: []fleet.NewDevice{
		{ID: "n1", Name: "Hall", Notes: "left", Groups: []string{"B", "fresh"}, Secret: known}, {ID: "n2"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if _, shown := got.Secrets["1/n1"]; shown || got.Secrets["1/n2"] == "" {
		t.Errorf("got secrets for %d devices, want one for n2 only", len(got.Secrets))
	}
	d := must[fleet.Device](t)(w.store.Devices.Device(ctx, "1/n1"))
	view := must[fleet.DeviceView](t)(w.Device(ctx, actor(fleet.Admin), 1, "n1"))
	if d.Secret != known || d.Name != "Hall" || d.Notes != "left" || !slices.Equal(view.GroupNames, []string{"a", "b", "fresh"}) {
		t.Errorf("got %+v in %q", d, view.GroupNames)
	}
	entries, _, err := w.audit.Page(ctx, actor(fleet.Admin), fleet.AuditQuery{Text: "n1", Limit: 10})
	if err != nil || len(entries) == 0 {
		t.Fatalf("got %d entries, error %v", len(entries), err)
	}
	for _, e := range entries {
		if strings.Contains(e.After, "0123456789abcdef") || strings.Contains(e.After, "secret") {
			t.Errorf("the audit log shows a secret: %s", e.After)
		}
	}
}

func TestImportGoesToTheProductOfEachDevice(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), context.Background()
	bulb := must[fleet.Product](t)(w.CreateProduct(ctx, actor(fleet.Owner), fleet.Product{Team: 1, Name: "Bulb", Slug: "bulb"}))
	got, err := w.Import(ctx, actor(fleet.Admin), fleet.Import{Product: 1, Devices: []fleet.NewDevice{{ID: "n1"}, {ID: "n2", Product: "bulb"}, {ID: "n3", Product: bulb.ID.String()}}})
	if err != nil || len(got.Updated) != 3 || len(got.Secrets) != 3 {
		t.Fatalf("got %+v, error %v", got, err)
	}
	for id, product := range map[fleet.DeviceID]fleet.ProductID{"n1": 1, "n2": bulb.ID, "n3": bulb.ID} {
		if d := must[fleet.Device](t)(w.store.Devices.Device(ctx, id.In(1))); d.Product != product {
			t.Errorf("%s is in product %s, want %s", id, d.Product, product)
		}
	}
}

func TestImportOfAnInvalidFieldImportsNothing(t *testing.T) {
	t.Parallel()
	secret := fleet.Secret{1}
	for name, c := range map[string]struct {
		order fleet.Import
		field string
	}{
		"a product of another team": {fleet.Import{Devices: []fleet.NewDevice{{ID: "n1"}, {ID: "n2", Product: "lock"}}}, "product"},
		"no such product":           {fleet.Import{Devices: []fleet.NewDevice{{ID: "n1"}, {ID: "n2", Product: "nothing"}}}, "product"},
		"a bad group":               {fleet.Import{Devices: []fleet.NewDevice{{ID: "n1"}, {ID: "n2", Groups: []string{"b eta"}}}}, "groups"},
		"a long name":               {fleet.Import{Devices: []fleet.NewDevice{{ID: "n1"}, {ID: "n2", Name: strings.Repeat("n", 129)}}}, "name"},
		"a secret behind a gateway": {fleet.Import{Gateway: "gw-a", Devices: []fleet.NewDevice{{ID: "n1", Secret: secret}}}, "secret"},
	} {
		t.Run(name, func(t *testing.T) {
			w, ctx := newWorld(t), context.Background()
			c.order.Product = 1
			_, err := w.Import(ctx, actor(fleet.Admin), c.order)
			_, previewed := w.PreviewImport(ctx, actor(fleet.Admin), c.order)
			for _, err := range []error{err, previewed} {
				var detail *fleet.Error
				if !errors.Is(err, fleet.Invalid) || !errors.As(err, &detail) || detail.Field != c.field {
					t.Errorf("got %v, want Invalid about %s", err, c.field)
				}
			}
			if _, err := w.store.Devices.Device(ctx, "1/n1"); !errors.Is(err, fleet.NotFound) {
				t.Errorf("n1: got %v, want NotFound", err)
			}
		})
	}
}

func TestPreviewOfAnImportSaysWhatItWouldDoAndDoesNothing(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), context.Background()
	w.catalog(1, func(c *fleet.Catalog) { c.Default, c.Groups[2] = version("1"), version("2") })
	must[fleet.Product](t)(w.store.Catalogs.CreateProduct(ctx, fleet.Product{Team: 1, Slug: "bulb", Name: "Bulb"}))
	w.create(fleet.Device{ID: "elsewhere", Team: 1, Product: 3})
	order := fleet.Import{Product: 1, Groups: []string{"fresh"}, Devices: []fleet.NewDevice{
		{ID: "n1"}, {ID: "n2", Groups: []string{"b"}}, {ID: "in-a"}, {ID: "elsewhere"}, {ID: "no good"}, {ID: "n1"},
	}}
	got, err := w.PreviewImport(ctx, actor(fleet.Admin), order)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got.Updated, []fleet.DeviceID{"1/n1", "1/n2"}) || !slices.Equal(got.Existing, []fleet.DeviceID{"1/in-a"}) || !slices.Equal(got.Nonmember, []fleet.DeviceID{"1/elsewhere"}) ||
		!slices.Equal(got.Invalid, []string{"no good"}) || !slices.Equal(got.NewGroups, []string{"fresh"}) || len(got.Secrets) != 0 {
		t.Errorf("got %+v", got)
	}
	if len(got.Targets) != 2 || got.Targets[0] != (fleet.VersionCount{Version: version("2"), Devices: 1}) || got.Targets[1] != (fleet.VersionCount{Version: version("1"), Devices: 1}) {
		t.Errorf("targets: got %v", got.Targets)
	}
	if _, err := w.store.Devices.Device(ctx, "1/n1"); !errors.Is(err, fleet.NotFound) {
		t.Errorf("n1: got %v, want NotFound", err)
	}
	if _, err := w.Group(ctx, actor(fleet.Admin), 1, "fresh"); !errors.Is(err, fleet.NotFound) {
		t.Errorf("the group: got %v, want NotFound", err)
	}
	for _, role := range []fleet.Role{fleet.Editor, fleet.Viewer} {
		if _, err := w.PreviewImport(ctx, actor(role), order); !errors.Is(err, fleet.Denied) {
			t.Errorf("%s: got %v, want Denied", role, err)
		}
	}
}

func TestGroupsAreUniqueWithoutCase(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), context.Background()
	if _, err := w.CreateGroup(ctx, actor(fleet.Owner), fleet.Group{Team: 1, Name: "A"}); !errors.Is(err, fleet.Conflict) {
		t.Errorf("A next to a: got %v, want Conflict", err)
	}
	renamed := "A"
	if g, err := w.EditGroup(ctx, actor(fleet.Owner), 1, "a", fleet.GroupEdit{Name: &renamed}); err != nil || g.Name != "A" {
		t.Errorf("a renamed to A: got %q, %v", g.Name, err)
	}
	groups := []string{"B"}
	view := must[fleet.DeviceView](t)(w.EditDevice(ctx, actor(fleet.Owner), 1, "free", fleet.DeviceEdit{Groups: &groups}))
	if !slices.Equal(view.GroupNames, []string{"b"}) {
		t.Errorf("free is in %q, want b", view.GroupNames)
	}
}
