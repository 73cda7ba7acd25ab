package console

import (
	"html/template"
	"net/url"

	"github.com/muster-iot/muster/fleet"
)

// failingPages list the devices whose updates fail.
type failingPages struct{ *visit }

// failingList is the devices of a product whose last update failed, across its releases.
type failingList struct {
	Page fleet.DeviceViews
	Next template.URL // query of the next page, "" on the last
	More bool         // it is not the first page
}

// failing returns the condition that a device's last update failed, and that it does not run its
// target since, or that a release under way, which may have halted, made that update.
func (v failingPages) failing() (fleet.Where, error) {
	where, err := v.releases.Wrong(v.ctx(), v.actor, v.product.ID, 0)
	if err != nil {
		return where, err
	}
	releases, err := v.rollouts.UnderWay(v.ctx(), v.actor, v.product.ID)
	if err != nil {
		return where, err
	}
	underWay := map[fleet.ReleaseID]bool{}
	for _, r := range releases {
		underWay[r.ID] = true
	}
	wrong := where.Holds
	where.Holds = func(e *fleet.IndexEntry) bool {
		return wrong(e) || underWay[e.Release] && !e.Running.Equal(e.UpdateTo)
	}
	return where, nil
}

func (v failingPages) failingPage() error {
	where, err := v.failing()
	if err != nil {
		return err
	}
	l := failingList{More: v.text("after") != ""}
	if l.Page, err = v.registry.Devices(v.ctx(), v.actor, fleet.DeviceQuery{
		Actor: v.actor, Product: v.product.ID, Updates: []fleet.UpdateState{fleet.RolledBack, fleet.Failed}, Where: where,
		Sort: fleet.ByLastHandshake, Descending: true, After: v.text("after"), Limit: rowsPerPage,
	}); err != nil {
		return err
	}
	if l.Page.Next != "" {
		l.Next = encoded(url.Values{"after": {l.Page.Next}})
	}
	if v.fragment() {
		return v.fragmentOf("failing", "rows", l)
	}
	return v.show("failing", "Failing devices", l)
}
