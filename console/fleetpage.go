package console

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/muster-iot/muster/filter"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/history"
	"github.com/muster-iot/muster/ota/remaining"
)

// fleetPages show what a product's fleet is doing.
type fleetPages struct{ *visit }

// fleetBody is the page of a product's fleet.
type fleetBody struct {
	Devices, Online int
	Versions        []firmwareRow
	Running         []fleet.DeviceUpdate // the first updates in progress
	More            bool
	Wrong           []fleet.DeviceUpdate // the latest failures
	WentWrong       int                  // number of devices whose last update failed
	States          []stateCount         // visible devices by the state of their last update
	Reasons         []reasonCount
	Left            []remaining.Cause
	Range           pastRange // of the totals of Reasons
	Charts          pastCharts
	Groups          []fleet.GroupView // that have charts of their own: the largest
	Counted         bool              // there are totals: the user sees all devices
	Live            string
}

// UnderWay is the number of updates in progress.
func (b fleetBody) UnderWay() (n int) {
	for _, s := range b.States {
		if s.State.Running() {
			n += s.Devices
		}
	}
	return n
}

// reasonCount is the number of updates that failed for one reason.
type reasonCount struct {
	Reason  fleet.ReasonCode
	Devices int // whose last update failed for it
	Total   int // failures of all devices in the range
}

func (v fleetPages) fleetPage() error {
	body, err := v.fleetBody()
	if err != nil {
		return err
	}
	return v.show("fleet", "Fleet", body)
}

func (v fleetPages) fleetLive() error {
	body, err := v.fleetBody()
	if err != nil {
		return err
	}
	return v.fragmentOf("fleet", "live", body)
}

// devices returns how many devices of the product the actor sees, and how many are online.
func (v fleetPages) devices() (all, online int, err error) {
	q := fleet.DeviceQuery{Actor: v.actor, Product: v.product.ID, Limit: 1}
	page, err := v.registry.Devices(v.ctx(), v.actor, q)
	if err != nil {
		return 0, 0, err
	}
	q.Online = new(true)
	connected, err := v.registry.Devices(v.ctx(), v.actor, q)
	return page.Total, connected.Total, err
}

func (v fleetPages) fleetBody() (b fleetBody, err error) {
	b.Range = v.pastRange()
	b.Charts = pastCharts{Ranges: pastRanges, Now: b.Range, Page: v.at("/fleet?range="), Data: v.at("/fleet/history?range=")}
	b.Live = v.at("/fleet/live?range=" + b.Range.Name)
	if b.Devices, b.Online, err = v.devices(); err != nil {
		return b, err
	}
	var groups []fleet.GroupView
	if b.Versions, groups, err = v.versions(); err != nil {
		return b, err
	}
	b.Groups = largest(groups)
	running, next, err := v.releases.Updates(v.ctx(), v.actor, fleet.UpdateQuery{Actor: v.actor, Product: v.product.ID, States: filter.UnderWay, Limit: 25})
	if err != nil {
		return b, err
	}
	b.Running, b.More = running, next != ""
	if b.Wrong, b.WentWrong, err = v.latestWrong(); err != nil {
		return b, err
	}
	if b.Left, err = v.remaining.Causes(v.ctx(), v.actor, remaining.Query{Product: v.product.ID}, 0); err != nil {
		return b, err
	}
	return b, v.standing(&b)
}

// largest are the groups with the most devices, by name; those without devices are left out.
func largest(groups []fleet.GroupView) []fleet.GroupView {
	groups = slices.DeleteFunc(slices.Clone(groups), func(g fleet.GroupView) bool { return g.Devices == 0 })
	slices.SortStableFunc(groups, func(a, b fleet.GroupView) int { return b.Devices - a.Devices })
	groups = groups[:min(len(groups), maxBoxes)]
	slices.SortFunc(groups, func(a, b fleet.GroupView) int { return strings.Compare(a.Name, b.Name) })
	return groups
}

// standing counts the visible devices' updates and, for users who see all devices, the
// failures in the range.
func (v fleetPages) standing(b *fleetBody) error {
	standing, err := v.releases.Standing(v.ctx(), v.actor, v.product.ID)
	if err != nil {
		return err
	}
	for state := fleet.Offered; state <= fleet.Stopped; state++ {
		if n := standing.States[state]; n > 0 {
			b.States = append(b.States, stateCount{state, n})
		}
	}
	failures := make(map[fleet.ReasonCode]int)
	if b.Counted = v.may(fleet.SeeAudit) == nil; b.Counted {
		past, err := v.history.Product(v.ctx(), v.actor, v.product.ID, history.Query{From: time.Now().Add(-b.Range.Length), Step: b.Range.Length / 24})
		if err != nil {
			return err
		}
		for _, p := range append(past.Points, past.Now) {
			for reason, n := range p.Failures {
				failures[reason] += n
			}
		}
	}
	reasons := slices.Collect(maps.Keys(standing.Reasons))
	for reason := range failures {
		if standing.Reasons[reason] == 0 {
			reasons = append(reasons, reason)
		}
	}
	slices.Sort(reasons)
	for _, reason := range reasons {
		b.Reasons = append(b.Reasons, reasonCount{reason, standing.Reasons[reason], failures[reason]})
	}
	return nil
}
