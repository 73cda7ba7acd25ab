package registry

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/muster-iot/muster/fleet"
)

func TestAJobsChangeIsMadeOfEachDeviceOnItsOwn(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), context.Background()
	change := Change{Add: []fleet.GroupID{2}, Remove: []fleet.GroupID{1}}
	ids := []fleet.DeviceID{"free", "in-a", "gone", "far", "in-ab"}
	errs, err := w.Quiet().ChangeAll(ctx, actor(fleet.Admin), 1, ids, change)
	if err != nil {
		t.Fatal(err)
	}
	for i, id := range ids {
		wanted := id != "gone" && id != "far"
		if (errs[i] == nil) != wanted || !wanted && !errors.Is(errs[i], fleet.NotFound) {
			t.Errorf("%s: got %v", id, errs[i])
		}
		if wanted && !slices.Equal(w.device(id).Groups, []fleet.GroupID{2}) {
			t.Errorf("%s is in %v", id, w.device(id).Groups)
		}
	}
	if entries := must[[]fleet.AuditEntry](t)(entriesOf(w)); len(entries) > 0 {
		t.Errorf("the audit log has %+v", entries)
	}
	for name, who := range map[string]fleet.Actor{"editor": actor(fleet.Editor, 1, 2), "viewer": actor(fleet.Viewer, 2)} {
		errs, err := w.ChangeAll(ctx, who, 1, ids[:1], change)
		if err != nil || !errors.Is(errs[0], fleet.Denied) {
			t.Errorf("%s: got %v, %v", name, errs, err)
		}
		if _, err := w.PreviewChange(ctx, who, 1, ids, change); !errors.Is(err, fleet.Denied) {
			t.Errorf("%s: a preview, %v", name, err)
		}
	}
	if _, err := w.ChangeAll(ctx, actor(fleet.Admin), 1, ids[:1], Change{Add: []fleet.GroupID{99}}); !errors.Is(err, fleet.NotFound) {
		t.Errorf("a group that was deleted: got %v", err)
	}
}

func entriesOf(w *world) ([]fleet.AuditEntry, error) {
	entries, _, err := w.store.Messages.AuditLog(context.Background(), 1, "", 10)
	return entries, err
}
