package registry

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/muster-iot/muster/fleet"
)

func TestGroupsOfAllThatMatchAreChangedStepByStep(t *testing.T) {
	w, ctx := newWorld(t), context.Background()
	devices := make([]fleet.Device, maxStep+5)
	for i := range devices {
		devices[i] = fleet.Device{ID: fleet.DeviceID(fmt.Sprintf("m-%05d", i)), Groups: []fleet.GroupID{1}}
	}
	w.create(devices...)
	w.remove("gw-a")
	q := fleet.DeviceQuery{Groups: []fleet.GroupID{1}}
	edit := fleet.GroupsEdit{Product: 1, Add: []string{"b"}, Remove: []string{"a"}}
	impact, err := w.PreviewGroupsOf(ctx, actor(fleet.Admin), q, edit)
	if err != nil || impact.Total != maxStep+7 {
		t.Errorf("got %+v, %v; want all %d in the preview", impact, err, maxStep+7)
	}
	var steps []int
	for {
		done, next, err := w.EditGroupsOf(ctx, actor(fleet.Admin), q, edit)
		if err != nil {
			t.Fatal(err)
		}
		steps = append(steps, done)
		if q.After = next; next == "" {
			break
		}
	}
	if got, want := fmt.Sprint(steps), fmt.Sprint([]int{maxStep, 7}); got != want {
		t.Errorf("steps of %s devices, want %s", got, want)
	}
	for _, d := range w.devicesOf(1) {
		if d.InAnyOf([]fleet.GroupID{1}) {
			t.Fatalf("%s is left in the group", d.ID)
		}
	}
	if _, _, err := w.EditGroupsOf(ctx, actor(fleet.Editor, 1, 2), fleet.DeviceQuery{}, edit); !errors.Is(err, fleet.Denied) {
		t.Errorf("an editor: got %v, want it denied", err)
	}
	if _, err := w.PreviewGroupsOf(ctx, actor(fleet.Viewer), fleet.DeviceQuery{}, edit); !errors.Is(err, fleet.Denied) {
		t.Errorf("a viewer's preview: got %v, want it denied", err)
	}
}
