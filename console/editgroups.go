package console

import (
	"slices"
	"strings"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/humane"
)

// bulkPages edit the groups of many devices.
type bulkPages struct{ *visit }

// batch is the page that edits the groups of many devices: the selected ones, or all that a
// filter selects.
type batch struct {
	Devices []fleet.DeviceID // selected one by one
	All     bool
	Filter  deviceFilter // with All
	Total   int          // number of devices
	Groups  []fleet.GroupView
	Picker  picker
}

func (v bulkPages) chosen() ([]fleet.DeviceID, error) {
	if err := v.r.ParseForm(); err != nil {
		return nil, fleet.Errorf(fleet.Invalid, "the form can't be read: %w", err)
	}
	var ids []fleet.DeviceID
	for _, text := range v.r.Form["device"] {
		id, err := fleet.ParseDeviceID(text)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return slices.Compact(ids), nil
}

// all reports whether the form is about all devices that its filter selects.
func (v bulkPages) all() bool { return v.text("all") != "" }

func (v bulkPages) editGroupsPage() error {
	if err := v.may(fleet.AssignGroups); err != nil {
		return err
	}
	groups, err := v.registry.Groups(v.ctx(), v.actor, v.product.ID)
	if err != nil {
		return err
	}
	b := batch{All: v.all(), Groups: groups, Picker: v.pick(groups, nothing)}
	if b.All {
		err = v.selection(&b)
	} else {
		b.Devices, err = v.chosen()
		b.Total = len(b.Devices)
	}
	if err != nil {
		return err
	}
	if b.Total == 0 {
		return v.done(v.at("/devices"), "Select devices first, then choose Edit groups.")
	}
	return v.show("batch", "Edit groups", b)
}

// selection counts the devices the filter selects.
func (v bulkPages) selection(b *batch) error {
	b.Filter = v.deviceFilter()
	b.Filter.After, b.Filter.From = "", 0
	q, err := listPages(v).query(b.Filter, b.Groups)
	if err != nil {
		return err
	}
	found, err := v.registry.Devices(v.ctx(), v.actor, q)
	b.Total = found.Total
	return err
}

// groupsEdit reads which groups to add and to remove.
func (v bulkPages) groupsEdit() (fleet.GroupsEdit, error) {
	ids, err := v.chosen()
	edit := fleet.GroupsEdit{Product: v.product.ID, Devices: ids, Add: v.names("add"), Remove: v.names("remove")}
	for name, values := range v.r.Form {
		group, ok := strings.CutPrefix(name, "g:")
		switch {
		case ok && slices.Contains(values, "add"):
			edit.Add = append(edit.Add, group)
		case ok && slices.Contains(values, "remove"):
			edit.Remove = append(edit.Remove, group)
		}
	}
	if err == nil && len(edit.Add)+len(edit.Remove) == 0 {
		err = fleet.Errorf(fleet.Invalid, "choose a group to add or to remove")
	}
	slices.Sort(edit.Add)
	slices.Sort(edit.Remove)
	return edit, err
}

func (v bulkPages) editGroupsImpact() error {
	edit, err := v.groupsEdit()
	if err != nil {
		return err
	}
	var impact fleet.Impact
	if v.all() {
		q, wrong := v.selected()
		if wrong != nil {
			return wrong
		}
		impact, err = v.registry.PreviewGroupsOf(v.ctx(), v.actor, q, edit)
	} else {
		impact, err = v.registry.PreviewGroups(v.ctx(), v.actor, edit)
	}
	if err != nil {
		return err
	}
	return v.part("impact", impact)
}

func (v bulkPages) editGroups() error {
	edit, err := v.groupsEdit()
	if err != nil {
		return err
	}
	if v.all() {
		return v.editStep(edit)
	}
	if err := v.registry.EditGroups(v.ctx(), v.actor, edit); err != nil {
		return err
	}
	return v.done(v.at("/devices"), "Changed the groups of "+humane.Count(len(edit.Devices), "device")+".")
}
