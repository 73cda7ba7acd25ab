package console

import (
	"net/url"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/humane"
	"github.com/muster-iot/muster/job"
)

// stopPages stop the update of one device, those to one version, or all of a product.
type stopPages struct{ *visit }

// stopFacts are what a stop does.
var stopFacts = []string{
	"Downloads end at once and cost no attempt.",
	"The devices are held: nothing is sent to them until their target changes or their updates are resumed.",
	"Devices that have not started yet are not held. To keep them from starting, withdraw the release.",
}

// confirmPage shows how many updates a stop ends, and asks.
func (v stopPages) confirmPage() error {
	if err := v.may(fleet.OperateDevice); err != nil {
		return err
	}
	to, back, err := v.target()
	if err != nil {
		return err
	}
	counted, err := v.registry.Devices(v.ctx(), v.actor, fleet.DeviceQuery{Actor: v.actor, Product: v.product.ID, Updates: fleet.Stoppable, UpdateTo: to, Limit: 1})
	if err != nil {
		return err
	}
	which := humane.Count(counted.Total, "update")
	if !to.IsZero() {
		which += " to version " + to.String()
	}
	q := question{
		Title: "Stop " + which + "?", Crumbs: []crumb{{"Fleet", v.at("/fleet")}}, To: v.at("/stop"), Back: back, Button: "Stop " + which, Bad: true,
		Facts: stopFacts, Fields: url.Values{"key": {formKey()}},
	}
	if !to.IsZero() {
		q.Fields.Set("version", to.String())
	}
	if counted.Total == 0 {
		q.Warn = append(q.Warn, "No update that can be stopped is in progress now.")
	}
	return v.ask("Stop updates", q)
}

// target returns the version whose updates are stopped, zero for all, and the page to return to.
func (v stopPages) target() (to fleet.Version, back string, err error) {
	if v.text("version") == "" {
		return to, v.at("/fleet"), nil
	}
	to, err = fleet.ParseVersion(v.text("version"))
	return to, v.at("/firmware/" + to.String()), err
}

func (v stopPages) stop() error {
	to, back, err := v.target()
	if err != nil {
		return err
	}
	of := "in progress"
	if !to.IsZero() {
		of += ", to version " + to.String()
	}
	return v.begin(job.Order{
		Product: v.product.ID, Action: job.Stop, Query: fleet.DeviceQuery{Updates: fleet.Stoppable, UpdateTo: to}, Of: of, Key: v.text("key"),
	}, back)
}
