package console

import (
	"fmt"
	"net/url"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/humane"
)

// retryPages resume and retry the updates of many devices: of a selection, or of all that the
// filter of a list selects.
type retryPages struct{ *visit }

// selection returns the query of the devices that the form is about.
func (v retryPages) selection() (fleet.DeviceQuery, error) {
	ids, err := bulkPages(v).chosen()
	if err != nil {
		return fleet.DeviceQuery{}, err
	}
	if bulkPages(v).all() || len(ids) == 0 {
		return bulkPages(v).selected()
	}
	return fleet.DeviceQuery{Actor: v.actor, Product: v.product.ID, IDs: ids}, nil
}

// confirmPage shows how many devices a retry concerns, and asks.
func (v retryPages) confirmPage() error {
	selected, err := v.selection()
	if err != nil {
		return err
	}
	n, err := v.releases.CountRetries(v.actor, selected)
	if err != nil {
		return err
	}
	q := question{
		Title: "Retry the updates of " + humane.Count(n.Devices, "device") + "?", Button: "Retry " + humane.Count(n.Devices, "device"),
		Crumbs: []crumb{{"Devices", v.at("/devices")}}, To: v.at("/retry"), Back: v.back(), Fields: v.fields(),
		Facts: []string{
			humane.Count(n.Held, "device") + " held since an operator stopped the update: resumed.",
			humane.Count(n.Devices-n.Held, "device") + " with failed attempts: the attempts are reset, and the pause before the next one ends.",
			fmt.Sprintf("%s online now: re-evaluated at once. The others at their next handshake.", humane.Count(n.Online, "device")),
			"A device whose target is what it runs gets nothing.",
		},
	}
	if n.Devices == 0 {
		q.Warn = []string{"None of these devices is held or has failed attempts."}
	}
	return v.ask("Retry updates", q)
}

// fields are the form's selection again.
func (v retryPages) fields() url.Values {
	if ids := v.names("device"); len(ids) > 0 && !bulkPages(v).all() {
		return url.Values{"device": ids}
	}
	q := v.deviceFilter().values()
	q.Set("all", "yes")
	return q
}

// back is the list of the devices that the form is about.
func (v retryPages) back() string {
	q := v.fields()
	q.Del("all")
	q.Del("device")
	return v.at("/devices?" + q.Encode())
}

func (v retryPages) retry() error {
	q, err := v.selection()
	if err != nil {
		return err
	}
	retried, more, err := v.releases.RetryAll(v.ctx(), v.actor, q)
	if err == nil && more {
		err = fleet.Errorf(fleet.Busy, "retried the first %s: retry again for the rest", humane.Count(retried, "device"))
	}
	return v.after(err, v.back(), "Retried "+humane.Count(retried, "device")+". Those online are re-evaluated now, the others at their next handshake.")
}
