package particle

import (
	"encoding/json"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

// eventData spells an event's payload: one of Particle's words, or a JSON object, whose groups
// are those the listener may see.
func eventData(v fleet.EventView) string {
	var data map[string]any
	switch p := v.Payload.(type) {
	case fleet.StatusChanged:
		return string(p.Status)
	case fleet.FlashChanged:
		return string(p.Status)
	case fleet.GatewayChanged:
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
func eventFields(p fleet.Payload) map[string]any {
	switch p := p.(type) {
	case fleet.UpdateChanged:
		u := p.Update
		return map[string]any{
			"id": u.ID.String(), "from": u.From.String(), "to": u.To.String(), "state": u.State.String(),
			"attempt": u.Attempt, "received": u.Next, "size": u.Size, "reason": wire.ReasonText(u.Reason),
		}
	case fleet.MessageReceived:
		return map[string]any{"topic": p.Topic, "size": p.Size}
	case fleet.AlertRaised:
		data := map[string]any{"type": p.Type, "alert": p.Alert, "message": p.Text}
		if p.Value != "" {
			data["value"] = json.RawMessage(p.Value)
		}
		return data
	case fleet.AlertArchived:
		return map[string]any{"archived": p.Archived}
	case fleet.CommandChanged:
		return map[string]any{"number": p.Number}
	case fleet.DeviceLocked:
		return map[string]any{"desired_firmware_version": p.Version.String(), "locked": !p.Version.IsZero()}
	case fleet.DeviceDevelopment:
		return map[string]any{"development": p.Development}
	case fleet.DeviceEdited:
		return map[string]any{"name": p.DeviceName}
	case fleet.GroupChanged:
		return map[string]any{"action": p.Action, "group": p.Group}
	case fleet.FirmwareUploaded:
		return map[string]any{"version": p.Version.String()}
	case fleet.FirmwareReleased:
		return map[string]any{"version": api.Version{Version: p.Version}, "immediate": p.Immediate, "product_default": p.Default}
	case fleet.ReleaseChanged:
		return map[string]any{"id": p.ID, "version": api.Version{Version: p.Version}, "state": p.State.String(), "share": p.Share.String()}
	}
	return map[string]any{}
}
