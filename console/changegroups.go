package console

import (
	"cmp"
	"net/url"
	"slices"
	"strings"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/job"
)

// groupsEdit reads which groups to add and to remove.
func (v changePages) groupsEdit() (add, remove []string) {
	add, remove = v.names("add"), v.names("remove")
	for name, values := range v.r.Form {
		if group, ok := strings.CutPrefix(name, "g:"); ok {
			if slices.Contains(values, "add") {
				add = append(add, group)
			} else if slices.Contains(values, "remove") {
				remove = append(remove, group)
			}
		}
	}
	slices.Sort(add)
	slices.Sort(remove)
	return add, remove
}

// batch is the page that edits the groups of many devices.
type batch struct {
	Devices   []fleet.DeviceID // selected one by one
	All       bool
	Words     string
	Total     int // number of devices
	Groups    []fleet.GroupView
	Picker    picker
	Selection url.Values
	Key       string
}

func (v changePages) editGroupsPage() error {
	if err := v.may(fleet.AssignGroups); err != nil {
		return err
	}
	groups, err := v.registry.Groups(v.ctx(), v.actor, v.product.ID)
	if err != nil {
		return err
	}
	o, err := v.order(job.Groups)
	if err != nil {
		return err
	}
	b := batch{All: v.text("all") != "", Devices: o.Devices, Total: len(o.Devices), Groups: groups, Picker: v.pick(groups, nothing), Selection: v.selection(), Key: formKey()}
	if b.All {
		b.Words = cmp.Or(o.Of, "Every device of "+v.product.Name)
		found, err := v.registry.Devices(v.ctx(), v.actor, o.Query)
		if err != nil {
			return err
		}
		b.Total = found.Total
	}
	if b.Total == 0 {
		return v.done(v.at("/devices"), "Select devices first, then choose Edit groups.")
	}
	return v.show("batch", "Edit groups", b)
}

func (v changePages) editGroupsImpact() error {
	o, err := v.groupsOrder()
	if err != nil {
		return err
	}
	impact, err := v.jobs.Preview(v.ctx(), v.actor, o)
	if err != nil {
		return err
	}
	return v.part("impact", *impact.Targets)
}

func (v changePages) editGroups() error {
	o, err := v.groupsOrder()
	if err != nil {
		return err
	}
	return v.begin(o, v.back())
}

func (v changePages) groupsOrder() (job.Order, error) {
	o, err := v.order(job.Groups)
	if err != nil {
		return o, err
	}
	if o.Add, o.Remove = v.groupsEdit(); len(o.Add)+len(o.Remove) == 0 {
		return o, fleet.Errorf(fleet.Invalid, "choose a group to add or to remove")
	}
	if o.Devices == nil && v.text("all") == "" {
		return o, fleet.Errorf(fleet.Invalid, "select devices first")
	}
	return o, nil
}
