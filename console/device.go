package console

import (
	"errors"
	"net/url"
	"strings"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/ota/precedence"
)

// devicePages are the pages of one device.
type devicePages struct{ *visit }

// deviceBody is the page of one device.
type deviceBody struct {
	View     fleet.DeviceView
	Trace    precedence.Trace
	Updates  []fleet.DeviceUpdate // newest first
	Running  *fleet.Update        // nil when none runs
	Live     string               // address of the part that is refreshed
	Versions []fleet.FirmwareView
	Groups   []fleet.GroupView // the product's, to choose from
	Messages []fleet.Message
	Alerts   []fleet.Alert // active ones, newest first
	Commands []fleet.Command
	Attached fleet.DeviceViews // BLE devices of a gateway
	Colors   map[string]string // of groups, by name
	Denied   string            // why the actor may not edit it, "" if they may
	Secret   string            // a new one, shown only once
}

func (v devicePages) deviceID() fleet.DeviceID { return fleet.DeviceNamed(v.r.PathValue("id")) }

// findDevice redirects from a device's id to its page.
func (v devicePages) findDevice() error {
	view, err := v.registry.Device(v.ctx(), v.actor, 0, v.deviceID())
	if err != nil {
		return err
	}
	return v.redirect("/p/" + view.Slug + "/device/" + url.PathEscape(view.ID.String()))
}

func (v devicePages) devicePage() error {
	body, err := v.deviceBody()
	if err != nil {
		return err
	}
	body.Secret = shownOnce[string](v.visit)
	return v.show("device", body.View.ID.String(), body)
}

func (v devicePages) deviceLive() error {
	var body deviceBody
	if err := v.state(&body); err != nil {
		return err
	}
	return v.fragmentOf("device", "live", body)
}

// state reads what is refreshed.
func (v devicePages) state(b *deviceBody) (err error) {
	id := v.deviceID()
	b.Live = v.at("/device/" + url.PathEscape(id.String()) + "/live")
	if b.View, err = v.registry.DeviceWithUser(v.ctx(), v.actor, v.product.ID, id); err != nil {
		return err
	}
	if b.Trace, err = v.releases.Why(v.ctx(), v.actor, id); err != nil {
		return err
	}
	b.Updates, _, err = v.releases.Updates(v.ctx(), v.actor, fleet.UpdateQuery{Actor: v.actor, Product: v.product.ID, Device: id, Limit: 20})
	if len(b.Updates) > 0 && b.Updates[0].State.Running() {
		b.Running = &b.Updates[0].Update
	}
	if err != nil {
		return err
	}
	b.Denied = v.denied(b.View)
	if b.Groups, err = v.registry.Groups(v.ctx(), v.actor, v.product.ID); err != nil {
		return err
	}
	b.Colors = map[string]string{}
	for _, g := range b.Groups {
		b.Colors[g.Name] = g.Color
	}
	if b.View.Kind == fleet.Gateway {
		q := fleet.DeviceQuery{Actor: v.actor, Gateway: b.View.ID, Limit: 100}
		if b.Attached, err = v.registry.Devices(v.ctx(), v.actor, q); err != nil {
			return err
		}
	}
	if b.Messages, _, err = v.registry.Messages(v.ctx(), v.actor, fleet.MessageQuery{Team: v.actor.Team, Device: id, Limit: 10}); err != nil {
		return err
	}
	q := fleet.AlertQuery{Team: v.actor.Team, Device: id, Limit: alertsShown}
	if b.Alerts, _, err = v.registry.Alerts(v.ctx(), v.actor, q); err != nil {
		return err
	}
	b.Commands, err = v.registry.Commands(v.ctx(), v.actor, id)
	return err
}

// denied returns why the actor may not edit a device, "" if they may. For a BLE device that
// also depends on its gateway, so it previews an edit without changes.
func (v devicePages) denied(view fleet.DeviceView) string {
	if why := v.takes(fleet.EditDevice); why != "" {
		return "Changing a device " + why + "."
	}
	if view.Kind != fleet.BLE {
		return ""
	}
	_, err := v.registry.PreviewDevice(v.ctx(), v.actor, v.product.ID, view.ID, fleet.DeviceEdit{})
	return sentence(err)
}

func (v devicePages) deviceBody() (b deviceBody, err error) {
	if err = v.state(&b); err != nil {
		return b, err
	}
	if b.Versions, err = v.releases.Firmware(v.ctx(), v.actor, v.product.ID); err != nil {
		return b, err
	}
	return b, nil
}

// deviceEdit reads the form of one change, named by its field act.
func (v devicePages) deviceEdit() (edit fleet.DeviceEdit, said string, err error) {
	yes, no := true, false
	text := func(name string) *string {
		value := v.text(name)
		return &value
	}
	switch act := v.text("act"); act {
	case "describe":
		return fleet.DeviceEdit{Name: text("name"), Notes: text("notes")}, "Saved.", nil
	case "development":
		return fleet.DeviceEdit{Development: &yes}, "Marked as a development device: it is no longer updated automatically.", nil
	case "no-development":
		return fleet.DeviceEdit{Development: &no}, "Unmarked: releases apply to it again.", nil
	case "force":
		return fleet.DeviceEdit{Force: &yes}, "Updates are forced: they are sent despite \"not now\".", nil
	case "no-force":
		return fleet.DeviceEdit{Force: &no}, "Updates are no longer forced.", nil
	case "attach":
		gateway := fleet.DeviceNamed(v.text("gateway"))
		if gateway == "" {
			return fleet.DeviceEdit{}, "", fleet.FieldErrorf("gateway", "enter the id of a gateway")
		}
		return fleet.DeviceEdit{Gateway: &gateway}, "Attached to " + gateway.String() + ".", nil
	case "detach":
		return fleet.DeviceEdit{Gateway: new(fleet.DeviceID)}, "Detached from its gateway.", nil
	case "disable":
		return fleet.DeviceEdit{Disabled: &yes}, "Disabled: it can't connect.", nil
	case "enable":
		return fleet.DeviceEdit{Disabled: &no}, "Enabled: it can connect again.", nil
	case "unlock":
		return fleet.DeviceEdit{Lock: &fleet.Version{}}, "Unlocked: releases apply again from its next handshake.", nil
	case "lock":
		lock, err := fleet.ParseVersion(v.text("version"))
		return fleet.DeviceEdit{Lock: &lock, Flash: v.text("flash") != ""}, "Locked to version " + lock.String() + ".", err
	case "groups":
		groups := []string{}
		for _, g := range append(v.r.Form["group"], strings.Fields(v.text("new_group"))...) {
			if g != "" {
				groups = append(groups, g)
			}
		}
		return fleet.DeviceEdit{Groups: &groups}, "Groups changed.", nil
	default:
		return fleet.DeviceEdit{}, "", fleet.Errorf(fleet.Invalid, "unknown action: %.40s", act)
	}
}

func (v devicePages) editDeviceImpact() error {
	edit, _, err := v.deviceEdit()
	if err != nil {
		return err
	}
	impact, err := v.registry.PreviewDevice(v.ctx(), v.actor, v.product.ID, v.deviceID(), edit)
	if err != nil {
		return err
	}
	return v.part("impact", impact)
}

func (v devicePages) editDevice() error {
	id, back := v.deviceID(), v.at("/device/"+url.PathEscape(v.r.PathValue("id")))
	switch v.text("act") {
	case "flash":
		return v.flash(id, back)
	case "stop":
		if v.text("from") == "fleet" {
			back = v.at("/fleet")
		}
		return v.after(v.releases.Stop(v.ctx(), v.actor, id), back, "Stopped. Nothing is sent until its target changes or the update is retried.")
	case "retry":
		return v.after(v.releases.Retry(v.ctx(), v.actor, id), back, "Attempts reset; the device will be re-evaluated.")
	case "delete":
		return v.after(v.registry.DeleteDevice(v.ctx(), v.actor, v.product.ID, id), v.at("/devices"), "Deleted "+id.String()+".")
	case "rotate":
		return v.rotate(id)
	case "command":
		_, err := v.registry.Command(v.ctx(), v.actor, id, v.text("name"), []byte(v.value("payload")), 0)
		return v.after(err, back, "The command is queued.")
	}
	edit, said, err := v.deviceEdit()
	if err != nil {
		return err
	}
	edit.If = v.seen()
	_, err = v.registry.EditDevice(v.ctx(), v.actor, v.product.ID, id, edit)
	if edit.Notes != nil && errors.Is(err, fleet.Conflict) {
		err = v.changedTexts(id, err)
	}
	return v.after(err, back, said)
}

// changedTexts adds what the name and the notes of a device are now to the error of an edit that
// would have overwritten them.
func (v devicePages) changedTexts(id fleet.DeviceID, err error) error {
	view, wrong := v.registry.Device(v.ctx(), v.actor, v.product.ID, id)
	if wrong != nil {
		return err
	}
	return fleet.Errorf(fleet.Conflict, "someone else has changed the device since you opened this page. Its name is now “%s”, its notes are: “%s”. "+
		"Yours are kept in the fields: copy what you need, and reload", view.Name, view.Notes)
}

func (v devicePages) flash(id fleet.DeviceID, back string) error {
	version, err := fleet.ParseVersion(v.text("version"))
	if err != nil {
		return err
	}
	return v.after(v.registry.FlashDevice(v.ctx(), v.actor, v.product.ID, id, version), back, "Version "+version.String()+" is being sent once.")
}

// rotate shows the new secret once: it is not stored in clear.
func (v devicePages) rotate(id fleet.DeviceID) error {
	if _, err := v.registry.Device(v.ctx(), v.actor, v.product.ID, id); err != nil {
		return err
	}
	if err := v.kept.hasRoom(v.actor, 1); err != nil {
		return err
	}
	secret, err := v.registry.RotateSecret(v.ctx(), v.actor, id)
	if err != nil {
		return err
	}
	return v.showOnce(v.at("/device/"+url.PathEscape(id.String())), secret, 1)
}
