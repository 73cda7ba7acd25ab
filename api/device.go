package api

import (
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

// Device is the one shape of a device, wherever one is answered: Particle's fields, nRF
// Cloud's, and Muster's own.
type Device struct {
	ID                string         `json:"id"`
	Name              string         `json:"name"`
	Notes             string         `json:"notes"`
	ProductID         uint32         `json:"product_id"`
	FirmwareProductID uint32         `json:"firmware_product_id"`
	PlatformID        int            `json:"platform_id"`
	Groups            []string       `json:"groups" doc:"Names of its groups, as far as you may see them"`
	Running           Reported       `json:"firmware_version" doc:"What it said it runs"`
	Lock              Version        `json:"desired_firmware_version" doc:"What it is locked to; null: not locked"`
	Released          Version        `json:"targeted_firmware_release_version" doc:"What releases alone would give it"`
	Target            Version        `json:"target_version" doc:"What it should run, lock and development counted; null: what it runs"`
	TargetReason      string         `json:"target_reason" enum:"development,lock,group,default,none"`
	Development       bool           `json:"development"`
	Disabled          bool           `json:"disabled" doc:"It may not connect"`
	Online            bool           `json:"online"`
	Connected         bool           `json:"connected" doc:"The same as online"`
	LastHandshake     *time.Time     `json:"last_handshake_at"`
	LastHeard         *time.Time     `json:"last_heard"`
	LastAddress       *string        `json:"last_ip_address"`
	Status            string         `json:"status" enum:"normal"`
	UpdatesEnabled    bool           `json:"firmware_updates_enabled" doc:"False: it said \"not now\""`
	UpdatesForced     bool           `json:"firmware_updates_forced" doc:"Updates go to it all the same"`
	Hardware          string         `json:"hardware" doc:"Hardware revision it reported"`
	Cellular          bool           `json:"cellular"`
	Quarantined       bool           `json:"quarantined"`
	Denied            bool           `json:"denied"`
	Functions         []string       `json:"functions"`
	Variables         struct{}       `json:"variables"`
	Update            *Update        `json:"update" doc:"Its newest update; null: there was none"`
	Tags              []string       `json:"tags" doc:"The same as groups"`
	Type              string         `json:"type" enum:"Generic,Gateway,BLE"`
	SubType           string         `json:"subType"`
	Gateway           string         `json:"gatewayId,omitempty" doc:"Of a BLE device: the gateway it is attached to"`
	Children          []string       `json:"bleDeviceIds,omitempty" doc:"Of a gateway fetched by its id: the BLE devices attached to it"`
	Tenant            string         `json:"tenantId" doc:"The team's id"`
	Firmware          DeviceFirmware `json:"firmware"`
	Meta              DeviceMeta     `json:"$meta"`
}

// DeviceFirmware is what a device runs, in nRF Cloud's shape.
type DeviceFirmware struct {
	Supports []string `json:"supports" example:"APP"`
	App      AppName  `json:"app"`
}

// supported is nRF Cloud's word for what every device can update: its application.
const supported = "APP"

// AppName is a firmware's name, its product's slug, and its version as a string.
type AppName struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

// DeviceMeta is the record's own data, in nRF Cloud's shape.
type DeviceMeta struct {
	Created *time.Time `json:"createdAt"`
	Updated *time.Time `json:"updatedAt"`
	Version string     `json:"version" doc:"Grows with each write of the record"`
}

// Update is one try to move one device from one version to another.
type Update struct {
	ID         string     `json:"id"`
	DeviceID   string     `json:"device_id"`
	ProductID  uint32     `json:"product_id"`
	From       Reported   `json:"from"`
	To         Version    `json:"to"`
	State      string     `json:"state" enum:"offered,downloading,stored,applying,confirmed,rolled_back,failed,superseded,stopped"`
	Reason     uint16     `json:"reason" doc:"Reason code of the protocol; 0: none"`
	ReasonText string     `json:"reason_text" doc:"The reason in words"`
	Text       string     `json:"text" doc:"What the device said about it"`
	Attempt    int        `json:"attempt" doc:"1 for the first try at this version"`
	Size       int64      `json:"size" doc:"Bytes"`
	Received   int64      `json:"received" doc:"Bytes the device is known to hold"`
	SHA256     string     `json:"sha256"`
	Started    *time.Time `json:"started_at"`
	Stored     *time.Time `json:"stored_at"`
	Applied    *time.Time `json:"applied_at"`
	Changed    *time.Time `json:"updated_at"`
}

func shownDevice(v *fleet.DeviceView) Device {
	d := Device{
		ID: string(v.ID), Name: v.Name, Notes: v.Notes,
		ProductID: uint32(v.Product), FirmwareProductID: uint32(v.Product),
		Groups: list(v.GroupNames), Tags: list(v.GroupNames),
		Running: Reported{v.Running}, Lock: Version{v.Lock}, Released: Version{v.Released},
		Target: Version{v.Target}, TargetReason: string(v.Reason),
		Development: v.Development, Disabled: v.Disabled, Online: v.Online, Connected: v.Online,
		LastHandshake: moment(v.LastHandshake), LastHeard: moment(v.LastHeard),
		Status: "normal", UpdatesEnabled: v.UpdatesOn, UpdatesForced: v.Force, Hardware: v.Hardware,
		Functions: []string{}, Type: v.Kind.String(), Gateway: string(v.Gateway), Tenant: v.Team.String(),
		Firmware: DeviceFirmware{Supports: []string{supported}, App: AppName{Name: v.Slug, Version: v.Running.String()}},
		Meta:     DeviceMeta{Created: moment(v.Created), Updated: moment(lastTouched(v)), Version: decimal(v.Revision)},
	}
	for _, id := range v.Children {
		d.Children = append(d.Children, string(id))
	}
	if v.Address != "" {
		d.LastAddress = &v.Address
	}
	if v.Update.State != fleet.NoUpdate {
		u := shownUpdate(fleet.DeviceUpdate{Device: v.ID, Update: v.Update})
		d.Update = &u
	}
	return d
}

// lastTouched is the latest moment the record tells of.
func lastTouched(v *fleet.DeviceView) time.Time {
	latest := v.Created
	for _, t := range []time.Time{v.LastHandshake, v.LastHeard, v.Update.Changed} {
		if t.After(latest) {
			latest = t
		}
	}
	return latest
}

func shownUpdate(u fleet.DeviceUpdate) Update {
	return Update{
		ID: u.ID.String(), DeviceID: string(u.Device), ProductID: uint32(u.Product),
		From: Reported{u.From}, To: Version{u.To}, State: u.State.String(),
		Reason: uint16(u.Reason), ReasonText: wire.ReasonText(u.Reason), Text: u.Text,
		Attempt: u.Attempt, Size: u.Size, Received: u.Next, SHA256: u.Digest.String(),
		Started: moment(u.Started), Stored: moment(u.Stored), Applied: moment(u.Applied), Changed: moment(u.Changed),
	}
}
