package cli

import (
	"testing"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/fleet"
)

func TestAListOfReleasesShowsWhatAStageReaches(t *testing.T) {
	plan := api.Plan{Stages: api.Stages{{Group: "canary"}, {Devices: 20}, {Share: api.Percent{Share: 1000}}, {Share: api.Percent{Share: fleet.Whole}}}}
	for _, row := range []struct {
		state string
		stage int
		share fleet.Share
		want  string
	}{
		{"running", 1, 0, "group canary"}, {"waiting", 2, 0, "20 devices"}, {"halted", 2, 0, "20 devices"}, {"running", 3, 1000, "10 %"},
		{"scheduled", 1, 0, "0 %"}, {"reverting", 2, 0, "0 %"}, {"reverted", 2, 0, "0 %"}, {"done", 4, fleet.Whole, "100 %"}, {"done", 2, fleet.Whole, "100 %"},
	} {
		r := api.StagedRelease{Stage: row.stage, Plan: plan}
		r.State, r.Share = row.state, api.Percent{Share: row.share}
		if got := reached(r); got != row.want {
			t.Errorf("%s at stage %d: got %q, want %q", row.state, row.stage, got, row.want)
		}
	}
}
