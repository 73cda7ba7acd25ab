package release

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

func TestStandingCountsWhatTheActorSees(t *testing.T) {
	w := shop(t)
	w.Default("2")
	for _, id := range []fleet.DeviceID{"plain", "eu"} {
		r := w.connect(id, "1")
		if id == "eu" {
			r.report(wire.ReportFailed, wire.ReasonStorage)
		}
	}
	for name, row := range map[string]struct {
		actor fleet.Actor
		want  fleet.Standing
	}{
		"admin": {admin, fleet.Standing{
			States:  map[fleet.UpdateState]int{fleet.Offered: 1, fleet.Failed: 1},
			Reasons: map[fleet.ReasonCode]int{wire.ReasonStorage: 1},
		}},
		"viewer without the group": {viewer, fleet.Standing{States: map[fleet.UpdateState]int{fleet.Offered: 1}, Reasons: map[fleet.ReasonCode]int{}}},
	} {
		got, err := w.Standing(t.Context(), row.actor, product)
		delete(got.States, fleet.NoUpdate)
		if diff := cmp.Diff(got, row.want); err != nil || diff != "" {
			t.Errorf("%s: %v (-got +want)\n%s", name, err, diff)
		}
	}
	if _, err := w.Standing(t.Context(), other, product); !errors.Is(err, fleet.NotFound) {
		t.Errorf("another team: got %v, want not found", err)
	}
}
