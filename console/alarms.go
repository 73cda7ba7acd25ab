package console

import (
	"errors"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/humane"
)

// alarms are what every page shows: what went wrong and waits for a person.
type alarms struct {
	Address string // they are refreshed from; "" outside of a product
	Items   []alarm
	Alerts  int // active ones of the team, up to maxBadge
}

// alarm is a line above the page.
type alarm struct {
	Title, Text, Link string
	Bad               bool
}

const (
	maxBadge    = 99
	fewFailures = 3 // fewer raise no alarm
	failedShare = 20
)

// Badge is the number of active alerts, "" for none.
func (a alarms) Badge() string {
	switch {
	case a.Alerts == 0:
		return ""
	case a.Alerts > maxBadge:
		return "99+"
	}
	return humane.Number(a.Alerts)
}

// alarmsOf returns the alarms of a product. While the list of devices is being read there are
// none.
func (v *visit) alarmsOf(p fleet.Product) (a alarms, err error) {
	if p.ID == 0 || v.actor.Role == fleet.NoRole {
		return a, nil
	}
	in := "/p/" + p.Slug
	a.Address = in + "/alarms"
	alerts, _, err := v.registry.Alerts(v.ctx(), v.actor, fleet.AlertQuery{Team: v.actor.Team, Limit: maxBadge + 1})
	if err != nil {
		return a, err
	}
	a.Alerts = len(alerts)
	releases, err := v.rollouts.UnderWay(v.ctx(), v.actor, p.ID)
	if err != nil {
		return a, err
	}
	for _, r := range releases {
		name, link := "Release "+r.ID.String()+" of version "+r.Version.String(), in+"/releases/"+r.ID.String()
		switch {
		case r.State == fleet.ReleaseHalted:
			a.Items = append(a.Items, alarm{name + " is halted", r.Why, link, true})
		case r.State == fleet.ReleaseReverting:
			a.Items = append(a.Items, alarm{name + " is being taken back", r.Why, link, true})
		case r.State == fleet.ReleaseWaiting && r.Plan.Stages[r.Stage].Approve:
			a.Items = append(a.Items, alarm{name + " waits", "its stage may need your approval", link, false})
		}
	}
	jobs, err := v.jobAlarms()
	if err != nil {
		return a, err
	}
	a.Items = append(a.Items, jobs...)
	failing, err := v.manyFail(p.ID)
	if errors.Is(err, fleet.Unavailable) {
		return a, nil
	}
	if failing > 0 {
		a.Items = append(a.Items, alarm{humane.Count(failing, "device") + " failed to update", "they do not run their target", in + "/failing", true})
	}
	return a, err
}

// manyFail returns how many devices of a product failed to update and don't run their target, 0
// if those are few: less than fewFailures, or than one in failedShare of the devices that were
// updated.
func (v *visit) manyFail(product fleet.ProductID) (failing int, err error) {
	standing, err := v.releases.Standing(v.ctx(), v.actor, product)
	if err != nil {
		return 0, err
	}
	for _, n := range standing.Reasons {
		failing += n
	}
	if failing < fewFailures || failing*failedShare < standing.States[fleet.Confirmed]+failing {
		return 0, nil
	}
	return failing, nil
}

// alarmsPage answers with the alarms alone.
func (v attentionPages) alarmsPage() error {
	a, err := v.alarmsOf(v.product)
	if err != nil {
		return err
	}
	return v.part("alarms", a)
}
