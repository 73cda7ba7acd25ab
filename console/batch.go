package console

import (
	"bufio"
	"encoding/base64"
	"encoding/csv"
	"html/template"
	"slices"
	"strings"

	"github.com/muster-iot/muster/fleet"
)

// batch is the page that edits groups of many devices.
type batch struct {
	Devices []fleet.DeviceID
	Groups  []fleet.GroupView
}

func (v *visit) chosen() ([]fleet.DeviceID, error) {
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

func (v *visit) editGroupsPage() error {
	if err := v.may(fleet.AssignGroups); err != nil {
		return err
	}
	ids, err := v.chosen()
	if err != nil {
		return err
	}
	if len(ids) == 0 {
		return v.done(v.at("/devices"), "Tick the devices first, then choose Edit groups.")
	}
	groups, err := v.registry.Groups(v.ctx(), v.actor, v.product.ID)
	if err != nil {
		return err
	}
	return v.show("batch", "Edit groups", batch{Devices: ids, Groups: groups})
}

func (v *visit) groupsEdit() (fleet.GroupsEdit, error) {
	ids, err := v.chosen()
	edit := fleet.GroupsEdit{Product: v.product.ID, Devices: ids}
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
	return edit, err
}

func (v *visit) editGroupsImpact() error {
	edit, err := v.groupsEdit()
	if err != nil {
		return err
	}
	impact, err := v.registry.PreviewGroups(v.ctx(), v.actor, edit)
	if err != nil {
		return err
	}
	return v.part("impact", impact)
}

func (v *visit) editGroups() error {
	edit, err := v.groupsEdit()
	if err != nil {
		return err
	}
	if err := v.registry.EditGroups(v.ctx(), v.actor, edit); err != nil {
		return err
	}
	return v.done(v.at("/devices"), "Changed the groups of "+plural(len(edit.Devices), "device")+".")
}

// intake is the page that imports devices, and what became of them.
type intake struct {
	Groups []fleet.GroupView
	Done   bool
	Out    fleet.Imported
	CSV    template.URL // of the secrets, to download
	First  fleet.DeviceID
	Secret string
}

func (v *visit) importPage() error {
	if err := v.may(fleet.ImportDevices); err != nil {
		return err
	}
	groups, err := v.registry.Groups(v.ctx(), v.actor, v.product.ID)
	if err != nil {
		return err
	}
	return v.show("import", "Import devices", intake{Groups: groups})
}

func (v *visit) importDevices() error {
	order := fleet.Import{Product: v.product.ID, Gateway: fleet.DeviceID(v.text("gateway"))}
	for lines := bufio.NewScanner(strings.NewReader(v.text("ids"))); lines.Scan(); {
		order.IDs = append(order.IDs, strings.FieldsFunc(lines.Text(), func(r rune) bool { return r == ' ' || r == ',' || r == ';' || r == '\t' })...)
	}
	for _, g := range append(v.r.Form["group"], v.text("new_group")) {
		if g != "" {
			order.Groups = append(order.Groups, g)
		}
	}
	if len(order.IDs) == 0 {
		return fleet.FieldErrorf("ids", "write at least one device id, one a line")
	}
	out, err := v.registry.Import(v.ctx(), v.actor, order)
	if err != nil {
		return err
	}
	page := intake{Done: true, Out: out, CSV: secretsFile(out)}
	if len(out.Updated) > 0 {
		page.First = out.Updated[0]
		page.Secret = out.Secrets[page.First]
	}
	return v.show("import", "Imported devices", page)
}

// secretsFile is the new devices' secrets as a file that is in the page itself: they are
// nowhere else. The simulator reads it as it is.
func secretsFile(out fleet.Imported) template.URL {
	var text strings.Builder
	w := csv.NewWriter(&text)
	_ = w.Write([]string{"device", "secret"}) // a strings.Builder takes everything
	for _, id := range out.Updated {
		if secret := out.Secrets[id]; secret != "" {
			_ = w.Write([]string{string(id), secret})
		}
	}
	w.Flush()
	return template.URL("data:text/csv;base64," + base64.StdEncoding.EncodeToString([]byte(text.String()))) //nolint:gosec // base64 is safe in a URL
}
