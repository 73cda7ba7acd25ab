package console

import (
	"context"
	"fmt"
	"net/url"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/humane"
)

// retryPages resume and retry the updates of many devices: of a selection, or of all that the
// filter of a list selects.
type retryPages struct{ *visit }

// retryable reports whether an operator's retry changes something about a device: its update was
// stopped, or attempts failed.
func retryable(e *fleet.IndexEntry) bool { return e.Held || e.Spent > 0 }

// selection returns the query of the devices that the form is about, with a further condition.
func (v retryPages) selection(also func(*fleet.IndexEntry) bool) (fleet.DeviceQuery, error) {
	ids, err := bulkPages(v).chosen()
	if err != nil {
		return fleet.DeviceQuery{}, err
	}
	var q fleet.DeviceQuery
	if bulkPages(v).all() || len(ids) == 0 {
		q, err = bulkPages(v).selected()
	} else {
		q = fleet.DeviceQuery{Actor: v.actor, Product: v.product.ID, IDs: ids}
	}
	also = both(q.Where.Holds, also)
	q.Where.Holds, q.After, q.Skip, q.Sort, q.Descending = also, "", 0, fleet.ByID, false
	return q, err
}

// both is the condition that a holds, which may be nil, and b.
func both(a, b func(*fleet.IndexEntry) bool) func(*fleet.IndexEntry) bool {
	if a == nil {
		return b
	}
	return func(e *fleet.IndexEntry) bool { return a(e) && b(e) }
}

// count returns how many of the devices are selected that also fulfil a condition.
func (v retryPages) count(also func(*fleet.IndexEntry) bool) (int, error) {
	q, err := v.selection(also)
	if err != nil {
		return 0, err
	}
	q.Limit = 1
	page, err := v.registry.Devices(v.ctx(), v.actor, q)
	return page.Total, err
}

// confirmPage shows how many devices a retry concerns, and asks.
func (v retryPages) confirmPage() error {
	if err := v.may(fleet.OperateDevice); err != nil {
		return err
	}
	all, err := v.count(retryable)
	if err != nil {
		return err
	}
	held, err := v.count(func(e *fleet.IndexEntry) bool { return e.Held })
	if err != nil {
		return err
	}
	online, err := v.count(func(e *fleet.IndexEntry) bool { return retryable(e) && e.Online })
	if err != nil {
		return err
	}
	q := question{
		Title: "Retry the updates of " + humane.Count(all, "device") + "?", Button: "Retry " + humane.Count(all, "device"),
		Crumbs: []crumb{{"Devices", v.at("/devices")}}, To: v.at("/retry"), Back: v.back(), Fields: v.fields(),
		Facts: []string{
			humane.Count(held, "device") + " held since an operator stopped the update: resumed.",
			humane.Count(all-held, "device") + " with failed attempts: the attempts are reset, and the pause before the next one ends.",
			fmt.Sprintf("%s online now: re-evaluated at once. The others at their next handshake.", humane.Count(online, "device")),
			"A device whose target is what it runs gets nothing.",
		},
	}
	if all == 0 {
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
	retried, err := v.retryAll(v.ctx())
	return v.after(err, v.back(), "Retried "+humane.Count(retried, "device")+". Those online are re-evaluated now, the others at their next handshake.")
}

// retryAll retries the devices that the form selects.
func (v retryPages) retryAll(ctx context.Context) (retried int, err error) {
	if err := v.may(fleet.OperateDevice); err != nil {
		return 0, err
	}
	q, err := v.selection(retryable)
	if err != nil {
		return 0, err
	}
	for q.Limit = 100; retried < maxStops; {
		page, err := v.registry.Devices(ctx, v.actor, q)
		if err != nil {
			return retried, err
		}
		ids := make([]fleet.DeviceID, len(page.Devices))
		for i, d := range page.Devices {
			ids[i] = d.ID
		}
		n, err := eachDevice(ids, func(id fleet.DeviceID) error { return v.releases.Retry(ctx, v.actor, id) })
		if retried += n; err != nil || page.Next == "" {
			return retried, err
		}
		q.After = page.Next
	}
	return retried, fleet.Errorf(fleet.Busy, "retried the first %s: retry again for the rest", humane.Count(retried, "device"))
}
