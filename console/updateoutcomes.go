package console

import (
	"cmp"
	"slices"

	"github.com/muster-iot/muster/filter"
	"github.com/muster-iot/muster/fleet"
)

// wrong reports whether an update ended without success.
func wrong(s fleet.UpdateState) bool { return slices.Contains(filter.WentBad, s) }

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
	q := fleet.DeviceQuery{Actor: v.actor, Product: v.product.ID, Updates: filter.WentBad, Where: where, Sort: fleet.ByLastHandshake, Descending: true, Limit: 100}
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
