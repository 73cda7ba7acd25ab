package api

import "time"

// BatchUpdate changes many devices at once. What metadata holds depends on action.
type BatchUpdate struct {
	Action   string        `json:"action" enum:"groups,lock,unlock,development" doc:"groups uses add and remove; lock uses version and flash"`
	Devices  []string      `json:"devices" doc:"Device ids, at most 10,000"`
	Metadata BatchMetadata `json:"metadata,omitzero"`
}

// BatchMetadata is what a BatchUpdate does.
type BatchMetadata struct {
	Add         Names    `json:"add,omitempty" doc:"Groups to join"`
	Remove      Names    `json:"remove,omitempty" doc:"Groups to leave"`
	Version     *Version `json:"version,omitempty" doc:"The version to lock to"`
	Flash       bool     `json:"flash,omitempty" doc:"With a lock: also at once, to devices that are online"`
	Development *bool    `json:"development,omitempty"`
}

// Done is the answer of a batch: ok, or with dry_run the impact it would have.
type Done struct {
	OK     bool    `json:"ok"`
	Impact *Impact `json:"impact,omitempty"`
}

// DeviceUpdate changes one device. An absent field leaves as it is; null is a value.
type DeviceUpdate struct {
	Name        Optional[string]  `json:"name,omitzero"`
	Notes       Optional[string]  `json:"notes,omitzero"`
	Development *bool             `json:"development,omitempty" doc:"Development devices are never updated automatically"`
	Lock        Optional[Version] `json:"desired_firmware_version,omitzero" doc:"Lock to this version; null unlocks"`
	Flash       bool              `json:"flash,omitempty" doc:"With desired_firmware_version: also at once, if the device is online"`
	Groups      Optional[Names]   `json:"groups,omitzero" doc:"All its groups, by name; a missing one is created"`
	Forced      *bool             `json:"firmware_updates_forced,omitempty" doc:"Send updates although the device says \"not now\""`
	Disabled    *bool             `json:"disabled,omitempty" doc:"It can't connect"`
	Gateway     Optional[string]  `json:"gatewayId,omitzero" doc:"Of a BLE device: attach it to this gateway; null detaches"`
}

// Updated is Particle's answer to a change: the whole device, and when.
type Updated struct {
	Device
	At time.Time `json:"updated_at"`
}
