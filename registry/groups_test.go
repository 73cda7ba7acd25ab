package registry

import (
	"context"
	"testing"

	"github.com/muster-iot/muster/fleet"
)

// hasty is where teams live while the client that asks leaves before a group is deleted.
type hasty struct {
	teamsFake
	leave context.CancelFunc
}

func (h hasty) DeleteGroup(ctx context.Context, team fleet.TeamID, id fleet.GroupID) error {
	h.leave()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return h.teamsFake.DeleteGroup(ctx, team, id)
}

func TestADeletionGoesOnWhenTheClientHasLeft(t *testing.T) {
	for name, remove := range map[string]func(context.Context, *world) error{
		"a group": func(ctx context.Context, w *world) error { return w.DeleteGroup(ctx, actor(fleet.Owner), 1, "b") },
		"a product": func(ctx context.Context, w *world) error {
			clear(w.records)
			return w.DeleteProduct(ctx, actor(fleet.Owner), 1)
		},
	} {
		w := newWorld(t)
		ctx, leave := context.WithCancel(t.Context())
		w.Registry.teams = hasty{teamsFake{w}, leave}
		if err := remove(ctx, w); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, left := w.groups[2]; left {
			t.Errorf("%s: the group is left", name)
		}
	}
}
