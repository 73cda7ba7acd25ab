package registry

import (
	"context"
	"errors"
	"testing"

	"github.com/muster-iot/muster/fleet"
)

// verdict is what a call returns to the owner, an admin, and an editor and a viewer who
// hold group a.
type verdict struct{ owner, admin, editor, viewer error }

var (
	everyone = verdict{}
	editors  = verdict{viewer: fleet.Denied}
	admins   = verdict{editor: fleet.Denied, viewer: fleet.Denied}
	unseen   = verdict{editor: fleet.NotFound, viewer: fleet.NotFound} // by editor and viewer
	nobody   = verdict{fleet.NotFound, fleet.NotFound, fleet.NotFound, fleet.NotFound}
)

// rights has calls about devices that an editor of a sees, sees only through their gateway,
// and does not see, and of another team.
var rights = map[string]struct {
	call func(context.Context, *world, fleet.Actor) error
	want verdict
}{
	"see: free":                    {on("free", see), everyone},
	"see: own group":               {on("in-a", see), everyone},
	"see: one group of two":        {on("in-ab", see), everyone},
	"see: other group":             {on("in-b", see), unseen},
	"see: BLE through gateway":     {on("ble-b", see), everyone},
	"see: other team":              {on("far", see), nobody},
	"see: none":                    {on("none", see), nobody},
	"rename: free":                 {on("free", rename), editors},
	"rename: other group":          {on("in-b", rename), unseen},
	"rename: BLE through gateway":  {on("ble-b", rename), admins},
	"rename: other team":           {on("far", rename), nobody},
	"groups: own group":            {on("in-a", regroup), admins},
	"groups: other group":          {on("in-b", regroup), unseen},
	"preview a lock":               {on("in-a", previewLock), editors},
	"preview a lock: other group":  {on("in-b", previewLock), unseen},
	"flash":                        {on("in-a", flash), editors},
	"flash: other group":           {on("in-b", flash), unseen},
	"command":                      {on("in-a", command), editors},
	"command: BLE through gateway": {on("ble-b", command), admins},
	"delete: own group":            {on("in-a", remove), editors},
	"delete: a group with users":   {on("in-ab", remove), admins},
	"delete: other group":          {on("in-b", remove), unseen},
	"rotate":                       {on("in-a", rotate), admins},
	"rotate: other group":          {on("in-b", rotate), unseen},
	"batch":                        {on("in-a", batchOf), admins},
	"batch: other team's device":   {on("far", batchOf), nobody},
	"batch lock":                   {on("in-a", lockAll), editors},
	"batch lock: other group":      {on("in-b", lockAll), unseen},
	"batch lock: through gateway":  {on("ble-b", lockAll), admins},
	"commands":                     {on("in-a", readCommands), everyone},
	"commands: other group":        {on("in-b", readCommands), unseen},
	"preview a deletion":           {on("in-ab", previewDelete), admins},
	"archive: own group":           {on("in-a", archive), editors},
	"archive: hidden device":       {on("in-b", archive), admins},
	"import":                       {importInto(1), admins},
	"import into another team":     {importInto(2), nobody},
	"create a product":             {createProduct, admins},
	"edit a product":               {editProduct(1), admins},
	"edit another team's product":  {editProduct(2), nobody},
	"see another team's product":   {seeProduct("lock"), nobody},
	"create a group":               {createGroup, admins},
	"edit own group":               {describe("a"), admins},
	"edit a hidden group":          {describe("b"), unseen},
	"delete own group":             {deleteGroup("a"), admins},
	"delete hidden group":          {deleteGroup("b"), unseen},
	"messages":                     {readMessages, everyone},
}

func TestEveryMethodAsksForTheRight(t *testing.T) {
	t.Parallel()
	for name, row := range rights {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			for _, as := range []struct {
				name  string
				actor fleet.Actor
				want  error
			}{
				{"stranger", fleet.Actor{User: 6, Team: 1}, fleet.NotFound},
				{"viewer of a", actor(fleet.Viewer, 1), row.want.viewer}, {"editor of a", actor(fleet.Editor, 1), row.want.editor},
				{"admin", actor(fleet.Admin), row.want.admin}, {"owner", actor(fleet.Owner), row.want.owner},
			} {
				err := row.call(t.Context(), w, as.actor)
				if !errors.Is(err, as.want) {
					t.Errorf("%s: got %v, want %v", as.name, err, as.want)
				}
				changes := w.actions()
				if err != nil && changes != "" {
					t.Errorf("%s: refused, but the audit log has %s", as.name, changes)
				}
				if changes != "" { // the next call needs what this one may have changed
					w = newWorld(t)
				}
			}
		})
	}
}

// on makes a call that is about device id.
func on(id fleet.DeviceID, call func(context.Context, *world, fleet.Actor, fleet.DeviceID) error) func(context.Context, *world, fleet.Actor) error {
	return func(ctx context.Context, w *world, a fleet.Actor) error { return call(ctx, w, a, id) }
}

func see(ctx context.Context, w *world, a fleet.Actor, id fleet.DeviceID) error {
	_, err := w.Device(ctx, a, 0, id)
	return err
}

func rename(ctx context.Context, w *world, a fleet.Actor, id fleet.DeviceID) error {
	_, err := w.EditDevice(ctx, a, 0, id, fleet.DeviceEdit{Name: ptr("x")})
	return err
}

func regroup(ctx context.Context, w *world, a fleet.Actor, id fleet.DeviceID) error {
	_, err := w.EditDevice(ctx, a, 0, id, fleet.DeviceEdit{Groups: &[]string{}})
	return err
}

func previewLock(ctx context.Context, w *world, a fleet.Actor, id fleet.DeviceID) error {
	_, err := w.PreviewDevice(ctx, a, 0, id, fleet.DeviceEdit{Lock: ptr(version("1"))})
	return err
}

func flash(ctx context.Context, w *world, a fleet.Actor, id fleet.DeviceID) error {
	w.store.Devices.SetOnline(id.In(1), true)
	return w.FlashDevice(ctx, a, 0, id, version("1"))
}

func command(ctx context.Context, w *world, a fleet.Actor, id fleet.DeviceID) error {
	_, err := w.Command(ctx, a, id, "x", nil, 0)
	return err
}

func remove(ctx context.Context, w *world, a fleet.Actor, id fleet.DeviceID) error {
	return w.DeleteDevice(ctx, a, 0, id)
}

func rotate(ctx context.Context, w *world, a fleet.Actor, id fleet.DeviceID) error {
	_, err := w.RotateSecret(ctx, a, id)
	return err
}

func batchOf(ctx context.Context, w *world, a fleet.Actor, id fleet.DeviceID) error {
	return w.EditGroups(ctx, a, fleet.GroupsEdit{Product: 1, Devices: []fleet.DeviceID{id}, Add: []string{"a"}})
}

func lockAll(ctx context.Context, w *world, a fleet.Actor, id fleet.DeviceID) error {
	return w.EditDevices(ctx, a, fleet.DevicesEdit{Product: 1, Devices: []fleet.DeviceID{id}, Lock: ptr(version("1"))})
}

func readCommands(ctx context.Context, w *world, a fleet.Actor, id fleet.DeviceID) error {
	_, err := w.Commands(ctx, a, id)
	return err
}

func previewDelete(ctx context.Context, w *world, a fleet.Actor, id fleet.DeviceID) error {
	_, err := w.PreviewDelete(ctx, a, 0, id)
	return err
}

func archive(ctx context.Context, w *world, a fleet.Actor, id fleet.DeviceID) error {
	alert := must[fleet.Alert](w.t)(w.store.Messages.Raise(ctx, fleet.Alert{Team: 1, Device: id}))
	return w.ArchiveAlert(ctx, a, alert.ID, true)
}

func importInto(product fleet.ProductID) func(context.Context, *world, fleet.Actor) error {
	return func(ctx context.Context, w *world, a fleet.Actor) error {
		_, err := w.Import(ctx, a, fleet.Import{Product: product, Devices: fleet.NewDevices("new")})
		return err
	}
}

func createProduct(ctx context.Context, w *world, a fleet.Actor) error {
	_, err := w.CreateProduct(ctx, a, fleet.Product{Name: "New"})
	return err
}

func editProduct(id fleet.ProductID) func(context.Context, *world, fleet.Actor) error {
	return func(ctx context.Context, w *world, a fleet.Actor) error {
		_, err := w.EditProduct(ctx, a, id, fleet.ProductEdit{Name: ptr("New")})
		return err
	}
}

func seeProduct(slug string) func(context.Context, *world, fleet.Actor) error {
	return func(ctx context.Context, w *world, a fleet.Actor) error {
		_, err := w.Product(ctx, a, slug)
		return err
	}
}

func createGroup(ctx context.Context, w *world, a fleet.Actor) error {
	_, err := w.CreateGroup(ctx, a, fleet.Group{Name: "new", Product: 1})
	return err
}

func describe(group string) func(context.Context, *world, fleet.Actor) error {
	return func(ctx context.Context, w *world, a fleet.Actor) error {
		_, err := w.EditGroup(ctx, a, 1, group, fleet.GroupEdit{Description: ptr("x")})
		return err
	}
}

func deleteGroup(name string) func(context.Context, *world, fleet.Actor) error {
	return func(ctx context.Context, w *world, a fleet.Actor) error { return w.DeleteGroup(ctx, a, 1, name) }
}

func readMessages(ctx context.Context, w *world, a fleet.Actor) error {
	_, _, err := w.Messages(ctx, a, fleet.MessageQuery{Team: 2})
	return err
}

func TestHiddenGroupsAppearNowhere(t *testing.T) {
	t.Parallel()
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
	t.Parallel()
	w := newWorld(t)
	for team, device := range map[fleet.TeamID]fleet.DeviceID{1: "free", 2: "far"} {
		must[string](t)(w.store.Messages.Append(t.Context(), fleet.Message{Team: team, Device: device, Topic: "x"}))
	}
	messages, _, err := w.Messages(t.Context(), actor(fleet.Viewer), fleet.MessageQuery{Team: 2, Limit: 10})
	if err != nil || len(messages) != 1 || messages[0].Device != "1/free" {
		t.Errorf("got %+v, %v, want that of team 1", messages, err)
	}
}
