package registry

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"

	"github.com/muster-iot/muster/fleet"
)

// ownerOf returns the owner of a team.
func ownerOf(team fleet.TeamID) fleet.Actor {
	return fleet.Actor{User: 5, Email: "me@example.com", Team: team, Role: fleet.Owner}
}

// everythingOf returns what the store has of a team: its devices with their past and commands, its
// products and its groups.
func (w *world) everythingOf(team fleet.TeamID) string {
	w.t.Helper()
	ctx, text := w.t.Context(), ""
	for _, id := range must[[]fleet.DeviceID](w.t)(w.index.IDs(fleet.DeviceQuery{Actor: ownerOf(team)})) {
		text += fmt.Sprintf("%+v %v %v\n", w.device(id), must[[]fleet.Update](w.t)(w.store.Devices.History(ctx, id)), must[[]fleet.Command](w.t)(w.store.Messages.Commands(ctx, id)))
	}
	for _, p := range must[[]fleet.Product](w.t)(w.Products(ctx, ownerOf(team))) {
		text += fmt.Sprintf("%+v\n", p)
	}
	return text + fmt.Sprint(must[[]fleet.Group](w.t)(w.store.Teams.Groups(ctx, team)))
}

// docs/rules.md, "Words": ids of devices and slugs are unique in their team. Whatever one team does,
// with an id that another one has or with the name that this has inside of the server, is about its own.
func TestTeamsWithTheSameIDsNeverMeet(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), t.Context()
	w.create(fleet.Device{ID: "gw", Kind: fleet.Gateway}, fleet.Device{ID: "loose", Kind: fleet.BLE})
	ours := w.everythingOf(1)
	second := ownerOf(2)
	must[fleet.GroupView](t)(w.CreateGroup(ctx, second, fleet.Group{Name: "theirs"}))
	order := fleet.Import{Product: 2, Devices: fleet.NewDevices("free", "in-a", "gw-a", "fresh")}
	imported := must[fleet.Imported](t)(w.Import(ctx, second, order))
	if len(imported.Updated) != 4 || len(imported.Secrets) != 4 || len(imported.Existing)+len(imported.Nonmember)+len(imported.Users) > 0 {
		t.Errorf("the import says %+v", imported)
	}
	if p := must[fleet.Product](t)(w.CreateProduct(ctx, second, fleet.Product{Name: "Lamp", Slug: "lamp"})); p.Team != 2 {
		t.Errorf("got %+v", p)
	}
	if p := must[fleet.Product](t)(w.Product(ctx, second, "lamp")); p.Team != 2 {
		t.Errorf("the slug is that of %+v", p)
	}
	if p := must[fleet.Product](t)(w.Product(ctx, ownerOf(1), "lamp")); p.ID != 1 {
		t.Errorf("team 1 has with its slug %+v", p)
	}
	for _, spelled := range []string{"", "1/"} { // what a client sends is only ever an id
		id := func(name string) fleet.DeviceID { return fleet.DeviceID(spelled + name) }
		ids := []fleet.DeviceID{id("free"), id("in-a")}
		w.store.Devices.SetOnline("2/free", true)
		for name, do := range map[string]func() error{
			"see": func() error { _, err := w.Device(ctx, second, 0, id("free")); return err },
			"edit": func() error {
				_, err := w.EditDevice(ctx, second, 0, id("free"), fleet.DeviceEdit{Name: ptr("theirs")})
				return err
			},
			"flash":   func() error { return w.FlashDevice(ctx, second, 0, id("free"), version("1")) },
			"secret":  func() error { _, err := w.RotateSecret(ctx, second, id("free")); return err },
			"command": func() error { _, err := w.Command(ctx, second, id("free"), "blink", nil, 0); return err },
			"groups": func() error {
				return w.EditGroups(ctx, second, fleet.GroupsEdit{Product: 2, Devices: ids, Add: []string{"theirs"}})
			},
			"batch": func() error {
				return w.EditDevices(ctx, second, fleet.DevicesEdit{Product: 2, Devices: ids, Development: ptr(true)})
			},
			"job": func() error {
				errs, err := w.ChangeAll(ctx, second, 2, ids, Change{Disabled: ptr(true)})
				return errors.Join(append(errs, err)...)
			},
			"gateway": func() error {
				_, err := w.Import(ctx, second, fleet.Import{Product: 2, Devices: fleet.NewDevices("child" + fmt.Sprint(len(spelled))), Gateway: id("gw-a")})
				return err
			},
		} {
			if err := do(); err != nil {
				t.Errorf("%s of %s by the second team: %v", name, string(id("free")), err)
			}
		}
		for name, do := range map[string]func() error{ // these ids the second team does not have
			"see": func() error { _, err := w.Device(ctx, second, 0, id("in-b")); return err },
			"edit": func() error {
				_, err := w.EditDevice(ctx, second, 0, id("in-b"), fleet.DeviceEdit{Name: ptr("x")})
				return err
			},
			"attach": func() error {
				_, err := w.EditDevice(ctx, second, 0, id("loose"), fleet.DeviceEdit{Gateway: ptr(id("gw"))})
				return err
			},
			"command": func() error { _, err := w.Command(ctx, second, id("in-b"), "blink", nil, 0); return err },
			"answers": func() error { _, err := w.Commands(ctx, second, id("in-b")); return err },
			"delete":  func() error { return w.DeleteDevice(ctx, second, 0, id("in-b")) },
			"batch": func() error {
				return w.EditDevices(ctx, second, fleet.DevicesEdit{Product: 2, Devices: []fleet.DeviceID{id("in-b")}, Development: ptr(true)})
			},
		} {
			if err := do(); !errors.Is(err, fleet.NotFound) {
				t.Errorf("%s of %s by the second team: got %v, want not found", name, string(id("in-b")), err)
			}
		}
		list := must[fleet.DeviceViews](t)(w.Devices(ctx, second, fleet.DeviceQuery{IDs: []fleet.DeviceID{id("free"), id("in-b")}, Limit: 10}))
		if list.Total != 1 || list.Devices[0].Device.ID != "2/free" {
			t.Errorf("the second team lists %+v", list.Devices)
		}
	}
	for _, id := range []fleet.DeviceID{"free", "1/in-a"} {
		if err := w.DeleteDevice(ctx, second, 0, id); err != nil {
			t.Error(err)
		}
	}
	if slices.ContainsFunc(slices.Concat(w.live.kicked, w.live.rechecks, w.live.commands), func(id fleet.DeviceID) bool { return id.Team() != 2 }) {
		t.Errorf("ended %v, decided again %v, sent commands to %v", w.live.kicked, w.live.rechecks, w.live.commands)
	}
	if now := w.everythingOf(1); now != ours {
		t.Errorf("team 1 has\n%s\nhad\n%s", now, ours)
	}
}

// An import of ids that other teams have says what it says if nobody has them, so that a team learns
// nothing about others.
func TestAnImportSaysNothingAboutOtherTeams(t *testing.T) {
	t.Parallel()
	order := func(product fleet.ProductID) fleet.Import {
		return fleet.Import{Product: product, Devices: fleet.NewDevices("a", "b", "no good", "a", "mine", "elsewhere")}
	}
	outcome := func(others bool) (previewed, said string) {
		w, ctx := newWorld(t), t.Context()
		bulb := must[fleet.Product](t)(w.CreateProduct(ctx, ownerOf(2), fleet.Product{Name: "Bulb", Slug: "bulb"}))
		w.create(fleet.Device{ID: "mine", Team: 2, Product: 2}, fleet.Device{ID: "elsewhere", Team: 2, Product: bulb.ID})
		if others {
			w.create(fleet.Device{ID: "a"}, fleet.Device{ID: "b"}, fleet.Device{ID: "mine"}, fleet.Device{ID: "elsewhere"})
		}
		preview := must[fleet.ImportPreview](t)(w.PreviewImport(ctx, ownerOf(2), order(2)))
		imported := must[fleet.Imported](t)(w.Import(ctx, ownerOf(2), order(2)))
		for id := range imported.Secrets {
			imported.Secrets[id] = "secret"
		}
		return fmt.Sprintf("%+v", preview), fmt.Sprintf("%+v", imported)
	}
	wantPreview, want := outcome(false)
	if preview, said := outcome(true); preview != wantPreview || said != want {
		t.Errorf("with devices of another team: got\n%s\n%s\nwithout:\n%s\n%s", preview, said, wantPreview, want)
	}
}

// Four devices with an id can use it as their user name; an import says that those of a fifth team
// can't, and what they use instead (docs/protocol.md, "Credentials").
func TestTheFifthTeamWithAnIDIsGivenTheUserNamesOfItsDevices(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), context.Background()
	for team := fleet.TeamID(11); team <= 14; team++ {
		w.create(fleet.Device{ID: "x", Team: team, Product: 99})
		if team < 14 {
			w.create(fleet.Device{ID: "y", Team: team, Product: 99})
		}
	}
	got := must[fleet.Imported](t)(w.Import(ctx, actor(fleet.Owner), fleet.Import{Product: 1, Devices: fleet.NewDevices("x", "y", "z")}))
	if want := map[fleet.DeviceID]string{"1/x": "x@1"}; !reflect.DeepEqual(got.Users, want) || len(got.Updated) != 3 {
		t.Errorf("got the user names %v, want %v; imported %v", got.Users, want, got.Updated)
	}
	ble := must[fleet.Imported](t)(w.Import(ctx, ownerOf(2), fleet.Import{Product: 2, Devices: fleet.NewDevices("gw")}))
	if len(ble.Users) > 0 {
		t.Errorf("got %v", ble.Users)
	}
	children := must[fleet.Imported](t)(w.Import(ctx, ownerOf(2), fleet.Import{Product: 2, Devices: fleet.NewDevices("x"), Gateway: "gw"}))
	if len(children.Users) > 0 {
		t.Errorf("a BLE device, which has no connection, has the user name %v", children.Users)
	}
}
