package rest

import (
	"encoding/json"
	"time"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/ota/precedence"
	"github.com/muster-iot/muster/wire"
)

// Supported is nRF Cloud's word for what every device can update: its application.
const Supported = "APP"

// ShownDevice is a device in the one shape of the API.
func ShownDevice(v *fleet.DeviceView) api.Device {
	d := api.Device{
		ID: v.ID.String(), Name: v.Name, Notes: v.Notes,
		ProductID: uint32(v.Product), FirmwareProductID: uint32(v.Product),
		Groups: list(v.GroupNames), Tags: list(v.GroupNames),
		Running: reported(v.Running), Lock: version(v.Lock), Released: version(v.Released),
		Target: version(v.Target), TargetReason: string(v.Reason),
		Development: v.Development, Disabled: v.Disabled, Online: v.Online, Connected: v.Online,
		LastHandshake: Moment(v.LastHandshake), LastHeard: Moment(v.LastHeard),
		Status: "normal", UpdatesEnabled: v.UpdatesOn, UpdatesForced: v.Force, Hardware: v.Hardware, Facts: json.RawMessage(wire.JSON(v.Facts)),
		Functions: []string{}, Type: v.Kind.String(), Gateway: v.Gateway.String(), User: v.User, Tenant: v.Team.String(),
		Firmware: api.DeviceFirmware{Supports: []string{Supported}, App: api.AppName{Name: v.Slug, Version: v.Running.String()}},
		Meta:     api.DeviceMeta{Created: Moment(v.Created), Updated: Moment(lastChange(v)), Version: v.Tag},
	}
	for _, id := range v.Children {
		d.Children = append(d.Children, id.String())
	}
	if v.Address != "" {
		d.LastAddress = &v.Address
	}
	if v.Update.State != fleet.NoUpdate {
		u := shownUpdate(fleet.DeviceUpdate{Device: v.ID, Update: v.Update})
		d.Update = &u
	}
	if v.Attempts.Target.Equal(v.Target) && !v.Running.Equal(v.Target) {
		now := time.Now()
		if wait := precedence.CoolDown(v.Attempts, now); wait > 0 {
			d.CoolingUntil = Moment(now.Add(wait))
		}
	}
	return d
}

// ShownDevices is a page of devices.
func ShownDevices(views fleet.DeviceViews) []api.Device {
	devices := make([]api.Device, 0, len(views.Devices))
	for i := range views.Devices {
		devices = append(devices, ShownDevice(&views.Devices[i]))
	}
	return devices
}

// lastChange is the latest time in a device's record.
func lastChange(v *fleet.DeviceView) time.Time {
	latest := v.Created
	for _, t := range []time.Time{v.LastHandshake, v.LastHeard, v.Update.Changed} {
		if t.After(latest) {
			latest = t
		}
	}
	return latest
}

func version(v fleet.Version) api.Version { return api.Version{Version: v} }

func reported(v fleet.Version) api.Reported { return api.Reported{Version: v} }

// list returns l, or an empty list for nil: JSON shows [] instead of null.
func list[T any](l []T) []T {
	if l == nil {
		return []T{}
	}
	return l
}

// Moment returns t in UTC, or nil for the zero time.
func Moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// ShownImport is the outcome of an import.
func ShownImport(done fleet.Imported) api.Imported {
	out := api.Imported{
		Updated: len(done.Updated), New: Texts(done.Updated), Existing: Texts(done.Existing), Nonmember: Texts(done.Nonmember),
		Invalid: list(done.Invalid), Protected: []string{}, Secrets: map[string]string{},
	}
	for id, secret := range done.Secrets {
		out.Secrets[id.String()] = secret
	}
	for id, user := range done.Users {
		if out.Users == nil {
			out.Users = map[string]string{}
		}
		out.Users[id.String()] = user
	}
	return out
}

// Texts is ids as the shapes have them.
func Texts(ids []fleet.DeviceID) []string {
	out := make([]string, len(ids))
	for i, id := range ids {
		out[i] = id.String()
	}
	return out
}
