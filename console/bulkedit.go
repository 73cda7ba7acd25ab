package console

import (
	"strconv"

	"github.com/muster-iot/muster/fleet"
)

// batchStep is the progress of a change of all devices that a filter selects. The browser
// requests one step after the other. A step is complete when it is answered, and closing the
// page ends the change between two steps.
type batchStep struct {
	Auto        bool // the browser continues by itself: the answer to a step, not a page that an address opens
	Filter      deviceFilter
	Add, Remove []string
	Done, Total int
	After       string // id the next step starts after, "" at the end
	Save        string // address of the next step
	Back        string
}

// Max is the end of the progress bar; more devices may match by now.
func (s batchStep) Max() int { return max(s.Total, s.Done, 1) }

// query is the query of the page that shows the progress.
func (s batchStep) query() string {
	q := s.Filter.values()
	q["add"], q["remove"] = s.Add, s.Remove
	for name, value := range map[string]string{"next": s.After, "done": strconv.Itoa(s.Done), "total": strconv.Itoa(s.Total)} {
		q.Set(name, value)
	}
	return q.Encode()
}

// progressPage shows how far a change has come. It changes nothing: Continue does.
func (v bulkPages) progressPage() error {
	if err := v.may(fleet.AssignGroups); err != nil {
		return err
	}
	s := v.step(fleet.GroupsEdit{Add: v.names("add"), Remove: v.names("remove")})
	s.After = v.text("next")
	return v.show("step", "Edit groups", s)
}

// step reads the counts of the steps before; both are for the progress bar only.
func (v bulkPages) step(edit fleet.GroupsEdit) batchStep {
	s := batchStep{Filter: v.deviceFilter(), Add: edit.Add, Remove: edit.Remove, Save: v.at("/devices/groups"), Back: v.at("/devices")}
	s.Done, _ = strconv.Atoi(v.text("done"))
	s.Total, _ = strconv.Atoi(v.text("total"))
	return s
}

// selected returns the query of the form's filter.
func (v bulkPages) selected() (fleet.DeviceQuery, error) {
	groups, err := v.registry.Groups(v.ctx(), v.actor, v.product.ID)
	if err != nil {
		return fleet.DeviceQuery{}, err
	}
	return listPages(v).query(v.deviceFilter(), groups)
}

// editStep changes the next devices of the filter and answers with the progress.
func (v bulkPages) editStep(edit fleet.GroupsEdit) error {
	q, err := v.selected()
	if err != nil {
		return err
	}
	s := v.step(edit)
	done, next, err := v.registry.EditGroupsOf(v.ctx(), v.actor, q, edit)
	if err != nil {
		return err
	}
	s.Done, s.After = s.Done+done, next
	if !v.fragment() {
		return v.redirect(v.at("/devices/groups/progress?" + s.query()))
	}
	s.Auto = true
	v.retarget("#bulk", "outerHTML")
	return v.fragmentOf("step", "step", s)
}
