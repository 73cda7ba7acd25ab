package particle

import (
	"encoding/json"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/event"
	"github.com/muster-iot/muster/wire"
)

// eventData spells an event's payload: one of Particle's words, or a JSON object, whose groups
// are those the listener may see.
func eventData(v event.View) string {
	var data map[string]any
	switch p := v.Payload.(type) {
	case event.StatusChanged:
		return string(p.Status)
	case event.FlashChanged:
		return string(p.Status)
	case event.GatewayChanged:
		return map[bool]string{true: "attached", false: "detached"}[p.Attached]
	default:
		data = eventFields(v.Payload)
	}
	if v.GroupNames != nil {
		data["groups"] = v.GroupNames
	}
	text, err := json.Marshal(data)
	if err != nil {
		return ""
	}
	return string(text)
}

// eventFields are the fields of a payload that is an object.
func eventFields(p event.Payload) map[string]any {
	switch p := p.(type) {
	case event.UpdateChanged:
		u := p.Update
		return map[string]any{
			"id": u.ID.String(), "from": u.From.String(), "to": u.To.String(), "state": u.State.String(),
			"attempt": u.Attempt, "received": u.Next, "size": u.Size, "reason": wire.ReasonText(u.Reason),
		}
	case event.MessageReceived:
		return map[string]any{"topic": p.Topic, "size": p.Size}
	case event.AlertRaised:
		data := map[string]any{"type": p.Type, "alert": p.Alert, "message": p.Text}
		if p.Value != "" {
			data["value"] = json.RawMessage(p.Value)
		}
		return data
	case event.AlertArchived:
		return map[string]any{"archived": p.Archived}
	case event.CommandChanged:
		return map[string]any{"number": p.Number}
	case event.DeviceLocked:
		return map[string]any{"desired_firmware_version": p.Version.String(), "locked": !p.Version.IsZero()}
	case event.DeviceDevelopment:
		return map[string]any{"development": p.Development}
	case event.DeviceEdited:
		return map[string]any{"name": p.DeviceName}
	case event.GroupChanged:
		return map[string]any{"action": p.Action, "group": p.Group}
	case event.FirmwareUploaded:
		return map[string]any{"version": p.Version.String()}
	case event.FirmwareReleased:
		return map[string]any{"version": api.Version{Version: p.Version}, "immediate": p.Immediate, "product_default": p.Default}
	case event.ReleaseChanged:
		return map[string]any{"id": p.ID, "version": api.Version{Version: p.Version}, "state": p.State.String(), "share": p.Share.String()}
	case event.JobChanged:
		return map[string]any{"number": p.Number, "state": p.State, "devices": p.Devices, "left": p.Left}
	}
	return map[string]any{}
}
