package registry

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-iot/muster/fleet"
)

func TestImportSaysWhatBecameOfEachID(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	must[fleet.Product](t)(w.store.Catalogs.CreateProduct(t.Context(), fleet.Product{Team: 1, Slug: "bulb", Name: "Bulb"}))
	w.create(fleet.Device{ID: "elsewhere", Team: 1, Product: 3})
	got, err := w.Import(context.Background(), actor(fleet.Admin), fleet.Import{
		Product: 1, Devices: fleet.NewDevices("n1", "in-a", "far", "elsewhere", "no good", "n2", "n1"), Groups: []string{"a", "fresh"},
	})
	if err != nil {
		t.Fatal(err)
	}
	secrets := got.Secrets
	got.Secrets = nil
	want := fleet.Imported{ // another team has far, too
		Updated: []fleet.DeviceID{"1/n1", "1/far", "1/n2"}, Existing: []fleet.DeviceID{"1/in-a"}, Nonmember: []fleet.DeviceID{"1/elsewhere"}, Invalid: []string{"no good"},
		Users: map[fleet.DeviceID]string{},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if len(secrets) != 3 || secrets["1/n1"] == secrets["1/n2"] {
		t.Errorf("secrets of the new devices alone: got %v", secrets)
	}
	raw, err := base64.RawURLEncoding.DecodeString(secrets["1/n1"])
	if err != nil || len(raw) != 32 {
		t.Errorf("a secret is 256 bits in base64url: got %q, %v", secrets["1/n1"], err)
	}
	d := w.device("n1")
	if d.Secret != sha256.Sum256([]byte(secrets["1/n1"])) || d.Team != 1 || !d.UpdatesOn || d.Created.IsZero() {
		t.Errorf("record: got %+v", d)
	}
	if g := w.groups()["fresh"]; g.Product != 1 || !slices.Equal(d.Groups, []fleet.GroupID{1, g.ID}) {
		t.Errorf("a missing group is made in the product and assigned in the same write: got %+v on %v", g, d.Groups)
	}
	if len(w.device("in-a").Groups) != 1 {
		t.Error("an existing device was changed")
	}
	for _, e := range w.log() {
		if strings.Contains(e.After, secrets["1/n1"]) {
			t.Error("the audit log holds a secret")
		}
	}
}

func TestImportOfBLEDevices(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	w := newWorld(t)
	got, err := w.Import(ctx, actor(fleet.Admin), fleet.Import{Product: 1, Devices: fleet.NewDevices("b1"), Gateway: "free"})
	if err != nil || len(got.Secrets) != 0 {
		t.Fatalf("a BLE device has no secret: got %v, %v", got.Secrets, err)
	}
	if d := w.device("b1"); d.Kind != fleet.BLE || d.Gateway != "1/free" || w.device("free").Kind != fleet.Gateway {
		t.Errorf("got %+v at %+v", d, w.device("free"))
	}
	for name, gateway := range map[string]fleet.DeviceID{"none": "none", "another team's": "far", "a BLE device": "ble-b"} {
		if _, err := w.Import(ctx, actor(fleet.Admin), fleet.Import{Product: 1, Devices: fleet.NewDevices("b2"), Gateway: gateway}); !errors.Is(err, fleet.Invalid) {
			t.Errorf("%s as gateway: got %v, want Invalid", name, err)
		}
	}
	if _, err := w.RotateSecret(ctx, actor(fleet.Admin), "ble-b"); !errors.Is(err, fleet.Conflict) {
		t.Errorf("a secret for a BLE device: got %v, want Conflict", err)
	}
}

func TestImportRefusesGroupsOfAnotherProduct(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if _, err := w.Import(context.Background(), actor(fleet.Admin), fleet.Import{Product: 1, Devices: fleet.NewDevices("n1"), Groups: []string{"other"}}); !errors.Is(err, fleet.Invalid) {
		t.Errorf("got %v, want Invalid", err)
	}
	if w.exists("n1") {
		t.Error("the device was created all the same")
	}
}

func TestEditing(t *testing.T) {
	t.Parallel()
	running := func(d *fleet.Device) { d.Update.State = fleet.Downloading }
	developing := func(d *fleet.Device) { d.Development = true }
	for name, row := range map[string]struct {
		before   func(*fleet.Device)
		edit     fleet.DeviceEdit
		fails    error
		recheck  bool
		kick     bool
		expected func(fleet.Device) bool
	}{
		"name":                          {edit: fleet.DeviceEdit{Name: ptr("Hall")}, expected: func(d fleet.Device) bool { return d.Name == "Hall" }},
		"name too long":                 {edit: fleet.DeviceEdit{Name: ptr(strings.Repeat("x", 129))}, fails: fleet.Invalid},
		"name no text":                  {edit: fleet.DeviceEdit{Name: ptr("\xff")}, fails: fleet.Invalid},
		"lock waits for the handshake":  {edit: fleet.DeviceEdit{Lock: ptr(version("1"))}, expected: func(d fleet.Device) bool { return d.Lock.String() == "1" }},
		"lock in the catalog's words":   {edit: fleet.DeviceEdit{Lock: ptr(version("1.0.0"))}, expected: func(d fleet.Device) bool { return d.Lock.String() == "1" }},
		"lock with flash now":           {edit: fleet.DeviceEdit{Lock: ptr(version("1")), Flash: true}, recheck: true},
		"lock while it downloads":       {before: running, edit: fleet.DeviceEdit{Lock: ptr(version("1"))}, recheck: true},
		"lock to an unknown version":    {edit: fleet.DeviceEdit{Lock: ptr(version("3"))}, fails: fleet.Invalid},
		"flash without a lock":          {edit: fleet.DeviceEdit{Flash: true}, fails: fleet.Invalid},
		"unlock waits":                  {edit: fleet.DeviceEdit{Lock: &fleet.Version{}}, expected: func(d fleet.Device) bool { return d.Lock.IsZero() }},
		"mark development waits":        {edit: fleet.DeviceEdit{Development: ptr(true)}},
		"unmark development acts":       {before: developing, edit: fleet.DeviceEdit{Development: ptr(false)}, recheck: true},
		"groups are absolute":           {edit: fleet.DeviceEdit{Groups: &[]string{"b"}}, expected: func(d fleet.Device) bool { return slices.Equal(d.Groups, []fleet.GroupID{2}) }},
		"no groups":                     {edit: fleet.DeviceEdit{Groups: &[]string{}}, expected: func(d fleet.Device) bool { return d.Groups == nil }},
		"groups while it downloads":     {before: running, edit: fleet.DeviceEdit{Groups: &[]string{"b"}}, recheck: true},
		"group of another product":      {edit: fleet.DeviceEdit{Groups: &[]string{"other"}}, fails: fleet.Invalid},
		"group name that can't be":      {edit: fleet.DeviceEdit{Groups: &[]string{"no good"}}, fails: fleet.Invalid},
		"a missing group is made":       {edit: fleet.DeviceEdit{Groups: &[]string{"fresh"}}, expected: func(d fleet.Device) bool { return slices.Equal(d.Groups, []fleet.GroupID{4}) }},
		"disable ends the connection":   {edit: fleet.DeviceEdit{Disabled: ptr(true)}, kick: true},
		"rename while it downloads":     {before: running, edit: fleet.DeviceEdit{Name: ptr("Hall")}},
		"gateway for a device with one": {edit: fleet.DeviceEdit{Gateway: ptr(fleet.DeviceID("gw-a"))}, fails: fleet.Invalid},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			if row.before != nil {
				w.change("in-a", row.before)
			}
			_, err := w.EditDevice(context.Background(), actor(fleet.Admin), 1, "in-a", row.edit)
			if !errors.Is(err, row.fails) {
				t.Fatalf("got %v, want %v", err, row.fails)
			}
			if got := len(w.live.rechecks) > 0; got != row.recheck {
				t.Errorf("decided at once: got %t, want %t", got, row.recheck)
			}
			if got := len(w.live.kicked) > 0; got != row.kick {
				t.Errorf("connection ended: got %t, want %t", got, row.kick)
			}
			if row.expected != nil && !row.expected(w.device("in-a")) {
				t.Errorf("got %+v", w.device("in-a"))
			}
		})
	}
}

func TestMissingGroupIsMadeInTheScopeOfTheCall(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct{ product, want fleet.ProductID }{"product": {1, 1}, "team": {0, 0}} {
		w := newWorld(t)
		if _, err := w.EditDevice(context.Background(), actor(fleet.Admin), row.product, "free", fleet.DeviceEdit{Groups: &[]string{"fresh"}}); err != nil {
			t.Fatal(err)
		}
		if got := w.groups()["fresh"].Product; got != row.want {
			t.Errorf("%s: got product %d, want %d", name, got, row.want)
		}
	}
}

func TestPreviewChangesNothing(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	w := newWorld(t)
	before := w.device("in-a")
	impact, err := w.PreviewDevice(ctx, actor(fleet.Admin), 1, "in-a", fleet.DeviceEdit{Groups: &[]string{"fresh", "b"}, Lock: ptr(version("2"))})
	if err != nil || impact.Total != 1 {
		t.Errorf("got %+v, %v", impact, err)
	}
	batch := fleet.GroupsEdit{Product: 1, Devices: []fleet.DeviceID{"in-a", "free"}, Remove: []string{"a"}}
	if impact, err = w.PreviewGroups(ctx, actor(fleet.Admin), batch); err != nil || impact.Total != 1 || impact.Of != 2 {
		t.Errorf("batch: got %+v, %v", impact, err)
	}
	if diff := cmp.Diff(before.Groups, w.device("in-a").Groups); diff != "" || len(w.groups()) != 3 || len(w.log()) > 0 {
		t.Errorf("a preview changed something: %s, %d groups, audit %s", diff, len(w.groups()), w.actions())
	}
}

func TestBatchIsAllOrNothingToBeginWith(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	for name, row := range map[string]struct {
		edit fleet.GroupsEdit
		want error
	}{
		"unknown device":           {fleet.GroupsEdit{Devices: []fleet.DeviceID{"free", "none"}, Add: []string{"a"}}, fleet.NotFound},
		"device of another team":   {fleet.GroupsEdit{Devices: []fleet.DeviceID{"free", "far"}, Add: []string{"a"}}, fleet.NotFound},
		"unknown group":            {fleet.GroupsEdit{Devices: []fleet.DeviceID{"free"}, Add: []string{"fresh"}}, fleet.Invalid},
		"group of another product": {fleet.GroupsEdit{Devices: []fleet.DeviceID{"free"}, Add: []string{"other"}}, fleet.Invalid},
		"no devices":               {fleet.GroupsEdit{Add: []string{"a"}}, fleet.Invalid},
	} {
		w := newWorld(t)
		row.edit.Product = 1
		if err := w.EditGroups(ctx, actor(fleet.Admin), row.edit); !errors.Is(err, row.want) {
			t.Errorf("%s: got %v, want %v", name, err, row.want)
		}
		if len(w.device("free").Groups) > 0 {
			t.Errorf("%s: a device was changed", name)
		}
	}
	w := newWorld(t)
	err := w.EditGroups(ctx, actor(fleet.Admin), fleet.GroupsEdit{Product: 1, Devices: []fleet.DeviceID{"free", "in-a"}, Add: []string{"b"}, Remove: []string{"a"}})
	if err != nil || !slices.Equal(w.device("free").Groups, []fleet.GroupID{2}) || !slices.Equal(w.device("in-a").Groups, []fleet.GroupID{2}) {
		t.Errorf("got %v %v, %v", w.device("free").Groups, w.device("in-a").Groups, err)
	}
}

func TestFlashTakesAnOnlineDevice(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	w := newWorld(t)
	if err := w.FlashDevice(ctx, actor(fleet.Admin), 0, "free", version("1")); !errors.Is(err, fleet.Conflict) {
		t.Errorf("offline: got %v, want Conflict", err)
	}
	w.store.Devices.SetOnline("1/free", true)
	if err := w.FlashDevice(ctx, actor(fleet.Admin), 0, "free", version("3")); !errors.Is(err, fleet.Invalid) {
		t.Errorf("unknown version: got %v, want Invalid", err)
	}
	if err := w.FlashDevice(ctx, actor(fleet.Admin), 0, "free", version("1")); err != nil {
		t.Fatal(err)
	}
	if d := w.device("free"); d.Flash.String() != "1" || !d.Lock.IsZero() || !slices.Equal(w.live.rechecks, []fleet.DeviceID{"1/free"}) {
		t.Errorf("got flash %q, lock %q, decided again %v", d.Flash, d.Lock, w.live.rechecks)
	}
}

func TestViewTellsTargetsWithAndWithoutTheLock(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.catalog(1, func(c *fleet.Catalog) { c.Default = version("2") })
	for name, row := range map[string]struct {
		change           func(*fleet.Device)
		target, released string
		reason           fleet.Reason
	}{
		"default":     {func(*fleet.Device) {}, "2", "2", fleet.BecauseDefault},
		"locked":      {func(d *fleet.Device) { d.Lock = version("1") }, "1", "2", fleet.BecauseLock},
		"development": {func(d *fleet.Device) { d.Development = true }, "", "2", fleet.BecauseDevelopment},
	} {
		d := fleet.Device{ID: fleet.DeviceID(name)}
		row.change(&d)
		w.create(d)
		v, err := w.Device(context.Background(), actor(fleet.Viewer), 0, d.ID)
		if err != nil || v.Target.String() != row.target || v.Released.String() != row.released || v.Reason != row.reason {
			t.Errorf("%s: got %s %s %s, %v", name, v.Target, v.Reason, v.Released, err)
		}
	}
}

func TestDeletedGroupsDownloadsAreDecidedAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.change("in-a", func(d *fleet.Device) { d.Update.State = fleet.Downloading })
	if err := w.DeleteGroup(context.Background(), actor(fleet.Admin), 1, "a"); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(w.live.rechecks, []fleet.DeviceID{"1/in-a"}) || w.actions() != "group.delete" {
		t.Errorf("decided again %v, audit %s", w.live.rechecks, w.actions())
	}
}

func TestCommandLimits(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	w := newWorld(t)
	c, err := w.Command(ctx, actor(fleet.Editor), "free", "blink/fast", []byte("x"), 0)
	if err != nil || c.Number != 1 || c.Expires.Sub(c.Queued) != w.config.CommandLifetime || !slices.Equal(w.live.commands, []fleet.DeviceID{"1/free"}) {
		t.Errorf("got %+v, %v, reported %v", c, err, w.live.commands)
	}
	for name, row := range map[string]struct {
		name    string
		payload int
		want    error
	}{
		"wildcard":  {"a/+", 0, fleet.Invalid},
		"long name": {strings.Repeat("x", 129), 0, fleet.Invalid},
		"too large": {"x", 16<<10 + 1, fleet.TooLarge},
	} {
		if _, err := w.Command(ctx, actor(fleet.Editor), "free", row.name, make([]byte, row.payload), 0); !errors.Is(err, row.want) {
			t.Errorf("%s: got %v, want %v", name, err, row.want)
		}
	}
}

func TestAnEditOnOldSightIsRefused(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	w := newWorld(t)
	read, err := w.Device(ctx, actor(fleet.Owner), 0, "in-ab")
	if err != nil {
		t.Fatal(err)
	}
	narrow, err := w.Device(ctx, actor(fleet.Editor, 1), 0, "in-ab")
	if err != nil {
		t.Fatal(err)
	}
	edit := func(a fleet.Actor, name, seen string) error {
		_, err := w.EditDevice(ctx, a, 0, "in-ab", fleet.DeviceEdit{Name: &name, If: seen})
		return err
	}
	if _, err := w.EditDevice(ctx, actor(fleet.Owner), 0, "in-ab", fleet.DeviceEdit{Groups: &[]string{"a"}}); err != nil {
		t.Fatal(err)
	}
	if err := edit(actor(fleet.Owner), "x", read.Tag); !errors.Is(err, fleet.Conflict) {
		t.Errorf("after a change of groups: got %v, want Conflict", err)
	}
	if err := edit(actor(fleet.Editor, 1), "x", narrow.Tag); err != nil {
		t.Errorf("a group the editor can't see has changed: got %v", err)
	}
	if err := edit(actor(fleet.Editor, 1), "y", narrow.Tag); !errors.Is(err, fleet.Conflict) {
		t.Errorf("after a change of name: got %v, want Conflict", err)
	}
	if err := edit(actor(fleet.Owner), "z", ""); err != nil {
		t.Errorf("without a condition: %v", err)
	}
}
