package registry

import (
	"context"
	"errors"
	"testing"

	"github.com/muster-iot/muster/fleet"
)

// TestEveryWriteAsks walks every function that takes an actor, with each role and with
// devices seen, seen through a gateway only, hidden, and of another team.
func TestEveryWriteAsks(t *testing.T) {
	ctx := context.Background()
	ok, denied, hidden := error(nil), error(fleet.Denied), error(fleet.NotFound)
	type verdict struct{ owner, admin, editorA, viewerA error }
	everyone := verdict{}
	admins := verdict{ok, ok, denied, denied}
	nobody := verdict{hidden, hidden, hidden, hidden}
	onDevice := func(id fleet.DeviceID, call func(w *world, a fleet.Actor, id fleet.DeviceID) error) func(*world, fleet.Actor) error {
		return func(w *world, a fleet.Actor) error { return call(w, a, id) }
	}
	see := func(w *world, a fleet.Actor, id fleet.DeviceID) error {
		_, err := w.Device(ctx, a, 0, id)
		return err
	}
	rename := func(w *world, a fleet.Actor, id fleet.DeviceID) error {
		_, err := w.EditDevice(ctx, a, 0, id, fleet.DeviceEdit{Name: ptr("x")})
		return err
	}
	regroup := func(w *world, a fleet.Actor, id fleet.DeviceID) error {
		_, err := w.EditDevice(ctx, a, 0, id, fleet.DeviceEdit{Groups: &[]string{}})
		return err
	}
	preview := func(w *world, a fleet.Actor, id fleet.DeviceID) error {
		_, err := w.PreviewDevice(ctx, a, 0, id, fleet.DeviceEdit{Lock: ptr(version("1"))})
		return err
	}
	flash := func(w *world, a fleet.Actor, id fleet.DeviceID) error {
		w.store.Devices.SetOnline(id, true)
		return w.FlashDevice(ctx, a, 0, id, version("1"))
	}
	command := func(w *world, a fleet.Actor, id fleet.DeviceID) error {
		_, err := w.Command(ctx, a, id, "x", nil, 0)
		return err
	}
	remove := func(w *world, a fleet.Actor, id fleet.DeviceID) error { return w.DeleteDevice(ctx, a, 0, id) }
	rotate := func(w *world, a fleet.Actor, id fleet.DeviceID) error {
		_, err := w.RotateSecret(ctx, a, id)
		return err
	}
	batch := func(w *world, a fleet.Actor, id fleet.DeviceID) error {
		return w.EditGroups(ctx, a, fleet.GroupsEdit{Product: 1, Devices: []fleet.DeviceID{id}, Add: []string{"a"}})
	}
	archive := func(w *world, a fleet.Actor, id fleet.DeviceID) error {
		alert := must[fleet.Alert](w.t)(w.store.Messages.Raise(ctx, fleet.Alert{Team: 1, Device: id}))
		return w.ArchiveAlert(ctx, a, alert.ID, true)
	}
	editors := verdict{ok, ok, ok, denied}
	for name, row := range map[string]struct {
		call func(*world, fleet.Actor) error
		want verdict
	}{
		"see: free":                    {onDevice("free", see), everyone},
		"see: own group":               {onDevice("in-a", see), everyone},
		"see: one group of two":        {onDevice("in-ab", see), everyone},
		"see: other group":             {onDevice("in-b", see), verdict{ok, ok, hidden, hidden}},
		"see: BLE through gateway":     {onDevice("ble-b", see), everyone},
		"see: other team":              {onDevice("far", see), nobody},
		"see: none":                    {onDevice("none", see), nobody},
		"rename: free":                 {onDevice("free", rename), editors},
		"rename: other group":          {onDevice("in-b", rename), verdict{ok, ok, hidden, hidden}},
		"rename: BLE through gateway":  {onDevice("ble-b", rename), admins},
		"rename: other team":           {onDevice("far", rename), nobody},
		"groups: own group":            {onDevice("in-a", regroup), admins},
		"groups: other group":          {onDevice("in-b", regroup), verdict{ok, ok, hidden, hidden}},
		"preview a lock":               {onDevice("in-a", preview), editors},
		"preview a lock: other group":  {onDevice("in-b", preview), verdict{ok, ok, hidden, hidden}},
		"flash":                        {onDevice("in-a", flash), editors},
		"flash: other group":           {onDevice("in-b", flash), verdict{ok, ok, hidden, hidden}},
		"command":                      {onDevice("in-a", command), editors},
		"command: BLE through gateway": {onDevice("ble-b", command), admins},
		"delete: own group":            {onDevice("in-a", remove), editors},
		"delete: a group with users":   {onDevice("in-ab", remove), admins},
		"delete: other group":          {onDevice("in-b", remove), verdict{ok, ok, hidden, hidden}},
		"rotate":                       {onDevice("in-a", rotate), admins},
		"rotate: other group":          {onDevice("in-b", rotate), verdict{ok, ok, hidden, hidden}},
		"batch":                        {onDevice("in-a", batch), admins},
		"batch: other team's device":   {onDevice("far", batch), nobody},
		"archive: own group":           {onDevice("in-a", archive), editors},
		"archive: hidden device":       {onDevice("in-b", archive), admins},
		"import": {func(w *world, a fleet.Actor) error {
			_, err := w.Import(ctx, a, fleet.Import{Product: 1, IDs: []string{"new"}})
			return err
		}, admins},
		"import into another team": {func(w *world, a fleet.Actor) error {
			_, err := w.Import(ctx, a, fleet.Import{Product: 2, IDs: []string{"new"}})
			return err
		}, nobody},
		"create a product": {func(w *world, a fleet.Actor) error {
			_, err := w.CreateProduct(ctx, a, fleet.Product{Name: "New"})
			return err
		}, admins},
		"edit a product": {func(w *world, a fleet.Actor) error {
			_, err := w.EditProduct(ctx, a, 1, fleet.ProductEdit{Name: ptr("New")})
			return err
		}, admins},
		"edit another team's product": {func(w *world, a fleet.Actor) error {
			_, err := w.EditProduct(ctx, a, 2, fleet.ProductEdit{Name: ptr("New")})
			return err
		}, nobody},
		"see another team's product": {func(w *world, a fleet.Actor) error {
			_, err := w.Product(ctx, a, "lock")
			return err
		}, nobody},
		"create a group": {func(w *world, a fleet.Actor) error {
			_, err := w.CreateGroup(ctx, a, fleet.Group{Name: "new", Product: 1})
			return err
		}, admins},
		"edit own group": {func(w *world, a fleet.Actor) error {
			_, err := w.EditGroup(ctx, a, 1, "a", fleet.GroupEdit{Description: ptr("x")})
			return err
		}, admins},
		"edit a hidden group": {func(w *world, a fleet.Actor) error {
			_, err := w.EditGroup(ctx, a, 1, "b", fleet.GroupEdit{Description: ptr("x")})
			return err
		}, verdict{ok, ok, hidden, hidden}},
		"delete own group":    {func(w *world, a fleet.Actor) error { return w.DeleteGroup(ctx, a, 1, "a") }, admins},
		"delete hidden group": {func(w *world, a fleet.Actor) error { return w.DeleteGroup(ctx, a, 1, "b") }, verdict{ok, ok, hidden, hidden}},
		"messages": {func(w *world, a fleet.Actor) error {
			_, _, err := w.Messages(ctx, a, fleet.MessageQuery{Team: 2})
			return err
		}, everyone},
	} {
		t.Run(name, func(t *testing.T) {
			for who, a := range map[string]struct {
				actor fleet.Actor
				want  error
			}{
				"owner": {actor(fleet.Owner), row.want.owner}, "admin": {actor(fleet.Admin), row.want.admin},
				"editor of a": {actor(fleet.Editor, 1), row.want.editorA}, "viewer of a": {actor(fleet.Viewer, 1), row.want.viewerA},
				"stranger": {fleet.Actor{User: 6, Team: 1}, fleet.NotFound},
			} {
				w := newWorld(t)
				err := row.call(w, a.actor)
				if !errors.Is(err, a.want) || a.want == nil && err != nil {
					t.Errorf("%s: got %v, want %v", who, err, a.want)
				}
				if err != nil && len(w.log()) > 0 {
					t.Errorf("%s: refused, but the audit log says %s", who, w.actions())
				}
			}
		})
	}
}

func TestHiddenGroupsAppearNowhere(t *testing.T) {
	ctx := context.Background()
	w, a := newWorld(t), actor(fleet.Editor, 1)
	v, err := w.Device(ctx, a, 0, "in-ab")
	if err != nil || len(v.GroupNames) != 1 || v.GroupNames[0] != "a" || len(v.Groups) != 1 || v.Secret != (fleet.Secret{}) {
		t.Errorf("device: got %v %v, %v", v.GroupNames, v.Groups, err)
	}
	names, err := w.GroupNames(ctx, a, 1)
	if err != nil || len(names) != 1 || names[1] != "a" {
		t.Errorf("names: got %v, %v", names, err)
	}
	views, err := w.Groups(ctx, a, 1)
	if err != nil || len(views) != 1 || views[0].Devices != 3 { // in-a, in-ab, gw-a
		t.Errorf("groups: got %+v, %v", views, err)
	}
	list, err := w.Devices(ctx, a, fleet.DeviceQuery{Groups: []fleet.GroupID{1, 2}, Limit: 10})
	if err != nil || list.Total != 3 {
		t.Errorf("a filter by a hidden group: got %d devices, %v", list.Total, err)
	}
}

// TestMessagesAreTheTeamsAlone: the query can't name another team.
func TestMessagesAreTheTeamsAlone(t *testing.T) {
	w := newWorld(t)
	for team, device := range map[fleet.TeamID]fleet.DeviceID{1: "free", 2: "far"} {
		must[string](t)(w.store.Messages.Append(t.Context(), fleet.Message{Team: team, Device: device, Topic: "x"}))
	}
	messages, _, err := w.Messages(t.Context(), actor(fleet.Viewer), fleet.MessageQuery{Team: 2, Limit: 10})
	if err != nil || len(messages) != 1 || messages[0].Device != "free" {
		t.Errorf("got %+v, %v, want that of team 1", messages, err)
	}
}
