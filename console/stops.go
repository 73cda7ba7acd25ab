package console

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"sync"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/humane"
)

// stopPages stop the update of one device, those to one version, or all of a product.
type stopPages struct{ *visit }

const (
	maxStops = 5000 // per request; the user can repeat it
	stoppers = 64   // concurrent stops: the store writes them in one batch
)

// stoppable are the states in which an update can be stopped: a device that restarts into it
// can't be reached.
var stoppable = underWay[:3]

// confirmPage shows how many updates a stop ends, and asks.
func (v stopPages) confirmPage() error {
	if err := v.may(fleet.OperateDevice); err != nil {
		return err
	}
	to, back, err := v.target()
	if err != nil {
		return err
	}
	counted, err := v.registry.Devices(v.ctx(), v.actor, fleet.DeviceQuery{Actor: v.actor, Product: v.product.ID, Updates: stoppable, UpdateTo: to, Limit: 1})
	if err != nil {
		return err
	}
	which := humane.Count(counted.Total, "update")
	if !to.IsZero() {
		which += " to version " + to.String()
	}
	q := question{
		Title: "Stop " + which + "?", Crumbs: []crumb{{"Fleet", v.at("/fleet")}}, To: v.at("/stop"), Back: back, Button: "Stop " + which, Bad: true,
		Facts: []string{
			"Downloads end at once and cost no attempt.",
			"The devices are held: nothing is sent to them until their target changes or their updates are resumed.",
			"Devices that have not started yet are not held. To keep them from starting, withdraw the release.",
		},
	}
	if !to.IsZero() {
		q.Fields = url.Values{"version": {to.String()}}
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
	stopped, err := v.stopAll(v.ctx(), to)
	said, resume := "Stopped "+humane.Count(stopped, "update"), url.Values{"update": {fleet.Stopped.String()}}
	if !to.IsZero() {
		said += " to version " + to.String()
		resume.Set("to", to.String())
	}
	if err != nil || stopped == 0 {
		return v.after(err, back, said+".")
	}
	return v.doneWith(back, notice{said + ". The devices are held.", v.at("/retry?all=yes&") + resume.Encode(), "Resume them"})
}

// stopAll stops the running updates that the actor may stop. One that has just ended is not an
// error.
func (v stopPages) stopAll(ctx context.Context, to fleet.Version) (stopped int, err error) {
	if err := v.may(fleet.OperateDevice); err != nil {
		return 0, err
	}
	q := fleet.UpdateQuery{Actor: v.actor, Product: v.product.ID, States: stoppable, Version: to, Limit: 100}
	for stopped < maxStops {
		list, next, err := v.releases.Updates(ctx, v.actor, q)
		if err != nil {
			return stopped, err
		}
		ids := make([]fleet.DeviceID, len(list))
		for i, u := range list {
			ids[i] = u.Device
		}
		n, err := eachDevice(ids, func(id fleet.DeviceID) error { return v.releases.Stop(ctx, v.actor, id) })
		stopped += n
		if err != nil || next == "" {
			return stopped, err
		}
		q.After = next
	}
	return stopped, fleet.Errorf(fleet.Busy, "stopped the first %s updates: stop again for the rest", strconv.Itoa(stopped))
}

// eachDevice does something to these devices concurrently, and returns for how many it was done,
// and the last error. Devices to which it can't be done any more are not an error.
func eachDevice(ids []fleet.DeviceID, do func(fleet.DeviceID) error) (done int, failed error) {
	queue := make(chan fleet.DeviceID)
	results := make(chan error)
	var running sync.WaitGroup
	for range min(stoppers, len(ids)) {
		running.Go(func() {
			for id := range queue {
				results <- do(id)
			}
		})
	}
	running.Go(func() {
		for _, id := range ids {
			queue <- id
		}
		close(queue)
	})
	for range ids {
		err := <-results
		switch status(err) {
		case http.StatusConflict, http.StatusForbidden, http.StatusNotFound:
			continue // it has ended, or the actor may not do it
		}
		if err != nil {
			failed = err
			continue
		}
		done++
	}
	running.Wait()
	return done, failed
}
