package console

import (
	"fmt"
	"net/url"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/humane"
)

// confirmPage shows what an action does to a device, and asks.
func (v devicePages) confirmPage() error {
	act := v.text("act")
	if act == "flash" || act == "lock" {
		return v.flashPage()
	}
	view, err := v.registry.Device(v.ctx(), v.actor, v.product.ID, v.deviceID())
	if err != nil {
		return err
	}
	page := v.at("/device/" + url.PathEscape(view.ID.String()))
	q := question{
		Crumbs: []crumb{{"Devices", v.at("/devices")}, {view.ID.String(), page}}, To: page, Back: page, Fields: url.Values{"act": {act}}, Seen: view.Tag,
	}
	if v.text("from") == "fleet" {
		q.Back = v.at("/fleet")
		q.Fields.Set("from", "fleet")
	}
	if err := v.actQuestion(act, &view, &q); err != nil {
		return err
	}
	return v.ask(q.Button+" "+view.ID.String(), q)
}

// actQuestion fills in what depends on the action.
func (v devicePages) actQuestion(act string, view *fleet.DeviceView, q *question) error {
	switch act {
	case "stop", "retry":
		if err := v.may(fleet.OperateDevice); err != nil {
			return err
		}
		operateQuestion(act, view, q)
		return nil
	case "rotate":
		if err := v.may(fleet.ImportDevices); err != nil {
			return err
		}
		cutQuestion(act, view, q)
		return nil
	case "delete":
		_, err := v.registry.PreviewDelete(v.ctx(), v.actor, v.product.ID, view.ID)
		cutQuestion(act, view, q)
		return err
	}
	edit, _, err := v.deviceEdit()
	if err != nil {
		return err
	}
	impact, err := v.registry.PreviewDevice(v.ctx(), v.actor, v.product.ID, view.ID, edit)
	if err != nil {
		return err
	}
	if act == "disable" || act == "enable" {
		cutQuestion(act, view, q)
		return nil
	}
	q.Impact = &impact
	return v.editQuestion(act, view, q)
}

// editQuestion is about an edit that may change the target of a device.
func (v devicePages) editQuestion(act string, view *fleet.DeviceView, q *question) error {
	id := view.ID.String()
	switch act {
	case "unlock":
		q.Title, q.Button = "Unlock "+id+"?", "Unlock"
		q.Facts = []string{"It is no longer locked to version " + view.Lock.String() + ": releases apply to it from its next handshake."}
	case "development":
		q.Title, q.Button = "Mark "+id+" as a development device?", "Mark"
		q.Facts = []string{"It is no longer updated automatically: neither releases nor its lock apply."}
	case "no-development":
		q.Title, q.Button = "Unmark "+id+" as a development device?", "Unmark"
		q.Facts = []string{"Releases apply to it again, and so does its lock if it has one."}
		if view.Online && q.Impact.Total > 0 {
			q.Facts = append(q.Facts, "It is online: its update starts at once.")
			q.Sure = "Yes, start the update now: the device restarts when it is complete"
		}
	case "attach":
		gateway := v.text("gateway")
		q.Title, q.Button = "Attach "+id+" to "+gateway+"?", "Attach"
		q.Fields.Set("gateway", gateway)
		q.Facts = []string{"It is reached through " + gateway + " from then on" + either(view.Gateway == "", "", ", and no longer through "+view.Gateway.String()) + "."}
		q.Facts = append(q.Facts, running(view)...)
	case "detach":
		q.Title, q.Button, q.Bad = "Detach "+id+" from "+view.Gateway.String()+"?", "Detach", true
		q.Facts = append([]string{"It can't be reached until a gateway attaches it."}, running(view)...)
	case "force":
		q.Title, q.Button = "Ignore “not now” of "+id+"?", "Ignore “not now”"
		q.Facts = []string{"Updates are sent to it although it declines them, from its next handshake."}
		if !view.Target.IsZero() && !view.Target.Equal(view.Running) {
			q.Facts = append(q.Facts, "Its target is version "+view.Target.String()+": it receives an update then.")
		}
		q.Impact = nil // the target stays
	case "no-force":
		q.Title, q.Button = "Respect “not now” of "+id+"?", "Respect “not now”"
		q.Facts = []string{"Updates are sent to it only while it accepts them."}
		q.Impact = nil
	default:
		return fleet.Errorf(fleet.Invalid, "unknown action: %.40s", act)
	}
	return nil
}

// operateQuestion is about the update of a device.
func operateQuestion(act string, view *fleet.DeviceView, q *question) {
	if act == "retry" {
		q.Title, q.Button = "Retry the update of "+view.ID.String()+"?", "Retry"
		when := "at its next handshake"
		if view.Online {
			when = "now: it is online"
		}
		q.Facts = []string{fmt.Sprintf("%s to update to version %s are reset.", humane.Count(view.Attempts.Spent, "attempt"), view.Attempts.Target), "It is re-evaluated " + when + "."}
		return
	}
	q.Title, q.Button, q.Bad = "Stop the update of "+view.ID.String()+"?", "Stop", true
	q.Facts = append(running(view), "That costs no attempt. The device is held: nothing is sent until its target changes or someone retries the update.")
	if !view.Update.State.Running() {
		q.Warn = []string{"No update is in progress now."}
	}
}

// cutQuestion is about an action that ends the connection of a device, or lets it connect again.
func cutQuestion(act string, view *fleet.DeviceView, q *question) {
	id := view.ID.String()
	if view.Online && act != "enable" {
		q.Facts = append(q.Facts, "It is online and is disconnected at once.")
	}
	if act != "enable" {
		q.Facts = append(q.Facts, running(view)...)
	}
	switch act {
	case "disable":
		q.Title, q.Button, q.Bad = "Disable "+id+"?", "Disable", true
		q.Facts = append(q.Facts, "It can't connect until it is enabled again.")
		q.Sure = "Yes, cut it off"
	case "enable":
		q.Title, q.Button = "Enable "+id+"?", "Enable"
		q.Facts = append(q.Facts, "It can connect again.")
		if !view.Target.IsZero() && !view.Target.Equal(view.Running) {
			q.Facts = append(q.Facts, "Its target is version "+view.Target.String()+": it receives an update at its next handshake.")
		}
	case "rotate":
		q.Title, q.Button, q.Bad = "Issue a new secret for "+id+"?", "Rotate secret", true
		q.Facts = append(q.Facts, "Its current secret is revoked at once. It can't connect until it has the new one, which is shown once.")
		q.Sure = "Yes, revoke the current secret"
	case "delete":
		q.Title, q.Button, q.Bad = "Delete "+id+"?", "Delete", true
		q.Facts = append(q.Facts, "Its record, secret and update history are deleted and can't be restored. It can't connect any more.")
		if view.Kind == fleet.Gateway {
			q.Facts = append(q.Facts, "Its BLE devices stay and are detached.")
		}
		q.Sure = "Yes, delete it for good"
	}
}

// running describes the running update that an action ends.
func running(view *fleet.DeviceView) []string {
	u := view.Update
	if !u.State.Running() {
		return nil
	}
	return []string{fmt.Sprintf("Its update from version %s to %s ends: %s, %s of %s received.", version(u.From), u.To, words(u.State), humane.Size(u.Next), humane.Size(u.Size))}
}
