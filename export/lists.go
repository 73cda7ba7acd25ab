package export

import (
	"encoding/base64"
	"encoding/json"
	"time"
	"unicode/utf8"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

// Devices exports devices.
func Devices(format Format, page Page[fleet.DeviceView]) (*List, error) {
	return open("devices", format, []column[fleet.DeviceView]{
		{"id", func(d *fleet.DeviceView) any { return d.ID.String() }},
		{"name", func(d *fleet.DeviceView) any { return d.Name }},
		{"notes", func(d *fleet.DeviceView) any { return d.Notes }},
		{"product", func(d *fleet.DeviceView) any { return d.Slug }},
		{"groups", func(d *fleet.DeviceView) any { return d.GroupNames }},
		{"online", func(d *fleet.DeviceView) any { return d.Online }},
		{"version", func(d *fleet.DeviceView) any { return d.Running.String() }},
		{"target", func(d *fleet.DeviceView) any { return d.Target.String() }},
		{"target_reason", func(d *fleet.DeviceView) any { return string(d.Reason) }},
		{"lock", func(d *fleet.DeviceView) any { return d.Lock.String() }},
		{"development", func(d *fleet.DeviceView) any { return d.Development }},
		{"disabled", func(d *fleet.DeviceView) any { return d.Disabled }},
		{"updates_enabled", func(d *fleet.DeviceView) any { return d.UpdatesOn }},
		{"type", func(d *fleet.DeviceView) any { return d.Kind.String() }},
		{"gateway", func(d *fleet.DeviceView) any { return d.Gateway.String() }},
		{"hardware", func(d *fleet.DeviceView) any { return d.Hardware }},
		{"last_handshake_at", func(d *fleet.DeviceView) any { return d.LastHandshake }},
		{"last_heard_at", func(d *fleet.DeviceView) any { return d.LastHeard }},
		{"last_address", func(d *fleet.DeviceView) any { return d.Address }},
		{"update_to", func(d *fleet.DeviceView) any { return d.Update.To.String() }},
		{"update_state", func(d *fleet.DeviceView) any { return d.Update.State.String() }},
		{"update_reason", func(d *fleet.DeviceView) any { return wire.ReasonText(d.Update.Reason) }},
		{"created_at", func(d *fleet.DeviceView) any { return d.Created }},
		{"facts", func(d *fleet.DeviceView) any { return json.RawMessage(wire.JSON(d.Facts)) }},
	}, page)
}

// Updates exports updates.
func Updates(format Format, page Page[fleet.DeviceUpdate]) (*List, error) {
	return open("updates", format, []column[fleet.DeviceUpdate]{
		{"device_id", func(u *fleet.DeviceUpdate) any { return u.Device.String() }},
		{"id", func(u *fleet.DeviceUpdate) any { return u.ID.String() }},
		{"from", func(u *fleet.DeviceUpdate) any { return u.From.String() }},
		{"to", func(u *fleet.DeviceUpdate) any { return u.To.String() }},
		{"state", func(u *fleet.DeviceUpdate) any { return u.State.String() }},
		{"reason", func(u *fleet.DeviceUpdate) any { return wire.ReasonText(u.Reason) }},
		{"text", func(u *fleet.DeviceUpdate) any { return u.Text }},
		{"attempt", func(u *fleet.DeviceUpdate) any { return u.Attempt }},
		{"size", func(u *fleet.DeviceUpdate) any { return u.Size }},
		{"received", func(u *fleet.DeviceUpdate) any { return u.Next }},
		{"started_at", func(u *fleet.DeviceUpdate) any { return u.Started }},
		{"stored_at", func(u *fleet.DeviceUpdate) any { return u.Stored }},
		{"applied_at", func(u *fleet.DeviceUpdate) any { return u.Applied }},
		{"updated_at", func(u *fleet.DeviceUpdate) any { return u.Changed }},
	}, page)
}

// Messages exports messages of devices. What is neither JSON nor text is in base64.
func Messages(format Format, page Page[fleet.Message]) (*List, error) {
	return open("messages", format, []column[fleet.Message]{
		{"received_at", func(m *fleet.Message) any { return m.Received }},
		{"device_id", func(m *fleet.Message) any { return m.Device.String() }},
		{"topic", func(m *fleet.Message) any { return m.Topic }},
		{"message", func(m *fleet.Message) any { return payload(m.Payload, format) }},
		{"base64", func(m *fleet.Message) any { return binary(m.Payload) }},
	}, page)
}

func payload(p []byte, format Format) any {
	switch {
	case format == JSONL && json.Valid(p):
		return json.RawMessage(p)
	case utf8.Valid(p):
		return string(p)
	}
	return ""
}

func binary(p []byte) string {
	if utf8.Valid(p) {
		return ""
	}
	return base64.StdEncoding.EncodeToString(p)
}

// Alerts exports alerts.
func Alerts(format Format, page Page[fleet.Alert]) (*List, error) {
	return open("alerts", format, []column[fleet.Alert]{
		{"id", func(a *fleet.Alert) any { return a.ID }},
		{"raised_at", func(a *fleet.Alert) any { return a.Raised }},
		{"device_id", func(a *fleet.Alert) any { return a.Device.String() }},
		{"name", func(a *fleet.Alert) any { return a.Name }},
		{"type", func(a *fleet.Alert) any { return int64(a.Type) }}, //nolint:gosec // a device's own number; those above 2^63 show as negative
		{"description", func(a *fleet.Alert) any { return a.Text }},
		{"value", func(a *fleet.Alert) any { return valid(a.Value) }},
		{"archived", func(a *fleet.Alert) any { return a.Archived }},
	}, page)
}

// Audit exports entries of the audit log.
func Audit(format Format, page Page[fleet.AuditEntry]) (*List, error) {
	return open("audit", format, []column[fleet.AuditEntry]{
		{"at", func(e *fleet.AuditEntry) any { return e.At.Truncate(time.Millisecond) }},
		{"email", func(e *fleet.AuditEntry) any { return e.Email }},
		{"action", func(e *fleet.AuditEntry) any { return e.Action }},
		{"object", func(e *fleet.AuditEntry) any { return e.Object }},
		{"product_id", func(e *fleet.AuditEntry) any { return e.Product }},
		{"from", func(e *fleet.AuditEntry) any { return e.From }},
		{"token", func(e *fleet.AuditEntry) any { return e.Token }},
		{"before", func(e *fleet.AuditEntry) any { return valid(e.Before) }},
		{"after", func(e *fleet.AuditEntry) any { return valid(e.After) }},
		{"id", func(e *fleet.AuditEntry) any { return e.Cursor }},
	}, page)
}

// valid is JSON text as JSON, other text as a string.
func valid(text string) any {
	if text == "" || json.Valid([]byte(text)) {
		return json.RawMessage(text)
	}
	return text
}
