package console

import (
	"errors"
	"net/url"
	"slices"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/humane"
	"github.com/muster-iot/muster/job"
)

// changePages change many devices: those that were selected, or all that a filter selects.
type changePages struct{ *visit }

// chooseBody is the page that offers the actions.
type chooseBody struct {
	Selection url.Values // hidden fields
	Total     int
	Words     string // what selected them; "": they were selected one by one, or are all
	All       bool
	Versions  []fleet.Version
	Actions   []job.Action // that the user may start
}

// Offers reports whether the user may start an action.
func (b chooseBody) Offers(action string) bool { return slices.Contains(b.Actions, job.Action(action)) }

// choosePage offers what can be done to the devices.
func (v changePages) choosePage() error {
	o, err := v.order(job.Unlock)
	if err != nil {
		return err
	}
	b := chooseBody{Selection: v.selection(), All: o.Devices == nil, Total: len(o.Devices)}
	if b.All {
		b.Words = v.deviceFilter().Words()
		found, err := v.registry.Devices(v.ctx(), v.actor, o.Query)
		if err != nil {
			return err
		}
		b.Total = found.Total
	}
	if b.Total == 0 {
		return v.done(v.at("/devices"), "Select devices first, then choose what to change.")
	}
	for _, action := range job.Actions {
		if job.May(v.actor, action) == nil {
			b.Actions = append(b.Actions, action)
		}
	}
	if b.Versions, err = listPages(v).versionsOf(); err != nil {
		return err
	}
	return v.show("choose", "Change devices", b)
}

// selection returns the form's fields that select devices.
func (v changePages) selection() url.Values {
	if ids := v.names("device"); len(ids) > 0 && v.text("all") == "" {
		return url.Values{"device": ids}
	}
	q := v.deviceFilter().values()
	q.Set("all", "yes")
	return q
}

// back is the list of the devices that the form is about.
func (v changePages) back() string {
	q := v.selection()
	q.Del("all")
	q.Del("device")
	return v.at("/devices?" + q.Encode())
}

// order returns a job on the form's devices.
func (v changePages) order(action job.Action) (job.Order, error) {
	o := job.Order{Product: v.product.ID, Action: action, Key: v.text("key")}
	if v.text("all") == "" {
		ids, err := v.chosen()
		if err != nil || len(ids) > 0 {
			o.Devices = ids
			return o, err
		}
	}
	f := v.deviceFilter()
	f.After, f.From = "", 0
	o.Of = f.Words()
	var err error
	o.Query, err = listPages(v).query(f)
	return o, err
}

// chosen returns the devices that were selected one by one.
func (v changePages) chosen() ([]fleet.DeviceID, error) {
	var ids []fleet.DeviceID
	for _, text := range v.names("device") {
		id, err := fleet.ParseDeviceID(text)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return slices.Compact(ids), nil
}

// asked returns the job that the form asks for.
func (v changePages) asked() (job.Order, error) {
	o, err := v.order(job.Action(v.text("act")))
	if err != nil {
		return o, err
	}
	switch o.Action {
	case job.Groups:
		o.Add, o.Remove = v.groupsEdit()
	case job.Lock, job.Flash:
		if v.text("to-version") != "" {
			o.Version, err = fleet.ParseVersion(v.text("to-version"))
		}
		o.Now = v.text("now") != ""
	case job.Command:
		o.Command, o.Payload = v.text("command"), []byte(v.value("message"))
	}
	return o, err
}

// parameters are the form's fields again that say what is done.
func (v changePages) parameters() url.Values {
	q := v.selection()
	for _, name := range []string{"act", "to-version", "now", "command", "message"} {
		if text := v.value(name); text != "" {
			q.Set(name, text)
		}
	}
	q.Set("key", formKey())
	return q
}

// confirmPage shows what a job would do, and asks.
func (v changePages) confirmPage() error {
	o, err := v.asked()
	if err != nil {
		return err
	}
	impact, err := v.jobs.Preview(v.ctx(), v.actor, o)
	if err != nil {
		return err
	}
	count := humane.Count(impact.Devices, "device")
	q := question{
		Title: actionTexts[o.Action] + " " + count + "?", Button: actionTexts[o.Action] + " " + count, Crumbs: []crumb{{"Devices", v.at("/devices")}},
		To: v.at("/devices/change"), Back: v.back(), Fields: v.parameters(), Impact: impact.Targets,
		Facts: []string{humane.Count(impact.Online, "device") + " online now."},
	}
	if o.Of != "" {
		q.Facts = append(q.Facts, "Selected: "+o.Of+".")
	}
	explain(o, impact, &q)
	q.Facts = append(q.Facts, "A job does this in the background; you can leave its page and cancel it.")
	if impact.Devices == 0 {
		q.Warn = append(q.Warn, either(o.Action == job.Retry || o.Action == job.Resume,
			"None of these devices is held or has failed attempts.", "No device is selected that this can be done to."))
	}
	return v.ask("Change devices", q)
}

// retryPage is the question whether to retry the updates of devices.
func (v changePages) retryPage() error {
	_ = v.text("act") // parses the form
	v.r.Form.Set("act", string(job.Retry))
	return v.confirmPage()
}

// start starts the job that the form asks for and leads to its page.
func (v changePages) start() error {
	o, err := v.asked()
	if err != nil {
		return err
	}
	return v.begin(o, v.back())
}

// begin starts a job and leads to its page, or back if there is nothing to do.
func (v *visit) begin(o job.Order, back string) error {
	j, err := v.jobs.Start(v.ctx(), v.actor, o)
	if errors.Is(err, job.ErrNoDevices) {
		return v.done(back, "Nothing to do: "+err.Error()+".")
	}
	if err != nil {
		return err
	}
	return v.redirect(jobAddress(j.Number))
}
