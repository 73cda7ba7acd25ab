package rest_test

import (
	"errors"
	"testing"
	"time"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/fleet"
)

func TestARehearsalIsAnswered(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	plan := api.PlanOf(fleet.CarefulPlan(), nil)
	in := api.Rehearse{
		Release: api.Release{Version: api.Version{Version: fleet.WholeVersion(7)}, Default: new(true), Plan: &plan},
		Faults:  []api.Fault{{Phase: "verify", Share: api.Percent{Share: 500}}},
	}
	r := must[api.Rehearsal](t)(w.RehearseRelease(t.Context(), "lamp", in))
	if r.State == "" || r.Devices == 0 || len(r.Stages) == 0 || !r.Check.Agrees || r.Began.Before(time.Now().Add(-time.Minute)) {
		t.Errorf("got %+v", r)
	}
	in.Plan = nil
	if _, err := w.RehearseRelease(t.Context(), "lamp", in); !errors.Is(err, fleet.Invalid) {
		t.Errorf("without a plan: %v", err)
	}
	in.Plan, in.Faults[0].Phase = &plan, "boot"
	if _, err := w.RehearseRelease(t.Context(), "lamp", in); !errors.Is(err, fleet.Invalid) {
		t.Errorf("an unknown phase: %v", err)
	}
}
