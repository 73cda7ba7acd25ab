package api

import "time"

// Release decides where a version is released. Groups and Default are absolute for the
// version when present and leave as it is when absent; a bare version makes it default.
type Release struct {
	Version     Version         `json:"version"`
	Groups      Optional[Names] `json:"groups,omitzero" doc:"Released to these groups and no others"`
	Default     *bool           `json:"product_default,omitempty"`
	Plan        *Plan           `json:"plan,omitempty" doc:"How it grows at the one target that is new: by stages. Absent: to every device at once"`
	Intelligent bool            `json:"intelligent,omitempty" doc:"Online devices get it at once; the others at their next handshake"`
}

// Impact is how many devices receive an update as a direct result of an action.
type Impact struct {
	Devices ImpactDevices `json:"devices"`
}

// ImpactDevices is Particle's wrapper.
type ImpactDevices struct {
	Update  ImpactUpdate  `json:"firmware_update"`
	Of      int           `json:"of" doc:"Devices considered"`
	Ends    int           `json:"updates_ended" doc:"Running updates that end because the target of their device changes"`
	Blocked []ReasonCount `json:"blocked" doc:"Devices whose target changes, or is this version already, but that can't receive it now, by reason"`
	Cooling *Cooling      `json:"cooling_down,omitempty" doc:"Devices that should run this version already and wait after a failed attempt; absent: none"`
}

// Cooling are devices that wait after a failed attempt at an update.
type Cooling struct {
	Total   int          `json:"total"`
	AtLeast bool         `json:"at_least,omitempty" doc:"There may be more than total"`
	Until   *time.Time   `json:"until" doc:"When the last of them tries again, if it is online; a retry of its update lets it try at once"`
	Devices []CoolingOne `json:"devices" doc:"Up to 10 of them, those that try again first"`
}

// CoolingOne is a device that waits after a failed attempt.
type CoolingOne struct {
	ID    string     `json:"id"`
	Until *time.Time `json:"until"`
}

// ImpactUpdate is the devices that will get an update.
type ImpactUpdate struct {
	Total     int            `json:"total"`
	ByVersion []VersionCount `json:"by_version" doc:"By the version they will receive"`
	Moves     []MoveCount    `json:"moves" doc:"By the version they run and the version they will receive"`
	Online    int            `json:"online" doc:"Of the total: connected now"`
	Due       int            `json:"due" doc:"Further devices with this target that don't run it yet; an immediate release reaches them, too"`
}

// VersionCount counts devices by a version.
type VersionCount struct {
	Version Version `json:"version"`
	Total   int     `json:"total"`
}

// MoveCount counts devices by the version they run and the version they will receive.
type MoveCount struct {
	From  Reported `json:"from" doc:"null: not known"`
	To    Version  `json:"to"`
	Lower bool     `json:"downgrade" doc:"To is older than from"`
	Total int      `json:"total"`
}

// ReasonCount counts devices by a word.
type ReasonCount struct {
	Reason string `json:"reason"`
	Total  int    `json:"total"`
}
