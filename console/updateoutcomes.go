package console

import (
	"cmp"
	"slices"

	"github.com/muster-iot/muster/fleet"
)

var (
	underWay = []fleet.UpdateState{fleet.Offered, fleet.Downloading, fleet.Stored, fleet.Applying}
	wentBad  = []fleet.UpdateState{fleet.RolledBack, fleet.Failed, fleet.Stopped}
)

// outcomeChoice is a choice of the filter about the last update.
type outcomeChoice struct {
	Value, Text string
	states      []fleet.UpdateState
}

// outcomeChoices are groups of states, then each state.
var outcomeChoices = func() []outcomeChoice {
	all := []outcomeChoice{{"running", "in progress", underWay}, {"receiving", "receiving", stoppable}, {"wrong", "not successful", wentBad}}
	for state := fleet.Offered; state <= fleet.Stopped; state++ {
		all = append(all, outcomeChoice{state.String(), words(state), []fleet.UpdateState{state}})
	}
	return all
}()

// outcomeOf returns the choice with this value.
func outcomeOf(value string) (outcomeChoice, error) {
	if i := slices.IndexFunc(outcomeChoices, func(c outcomeChoice) bool { return c.Value == value }); i >= 0 {
		return outcomeChoices[i], nil
	}
	return outcomeChoice{}, fleet.FieldErrorf("update", "no such state of an update: %.40s", value)
}

// wrong reports whether an update ended without success.
func wrong(s fleet.UpdateState) bool { return slices.Contains(wentBad, s) }

const (
	latestRows = 10  // of failures, on the page of the fleet
	maxLooked  = 500 // devices examined for them, those seen last first
)

// latestWrong returns the latest failures, newest first, and how many devices' last update
// failed, of those that don't run their target since. Updates are not indexed by their end: with more than maxLooked, one that failed long
// after its device's handshake may be missed.
func (v fleetPages) latestWrong() (latest []fleet.DeviceUpdate, total int, err error) {
	where, err := v.releases.Wrong(v.ctx(), v.actor, v.product.ID, 0)
	if err != nil {
		return nil, 0, err
	}
	q := fleet.DeviceQuery{Actor: v.actor, Product: v.product.ID, Updates: wentBad, Where: where, Sort: fleet.ByLastHandshake, Descending: true, Limit: 100}
	for looked := 0; looked < maxLooked; looked += q.Limit {
		page, err := v.registry.Devices(v.ctx(), v.actor, q)
		if err != nil {
			return nil, 0, err
		}
		total = page.Total
		for _, d := range page.Devices {
			if wrong(d.Update.State) { // it may have changed since the index was read
				latest = append(latest, fleet.DeviceUpdate{Device: d.ID, Update: d.Update})
			}
		}
		if q.After = page.Next; page.Next == "" {
			break
		}
	}
	slices.SortFunc(latest, func(a, b fleet.DeviceUpdate) int {
		return cmp.Or(b.Changed.Compare(a.Changed), cmp.Compare(a.Device, b.Device))
	})
	return latest[:min(len(latest), latestRows)], total, nil
}
