package api

// Remaining is the devices that don't run their target yet.
type Remaining struct {
	Total  int              `json:"total"`
	Causes []RemainingCause `json:"causes" doc:"Why they don't, the most frequent first. Each device has one cause"`
}

// RemainingCause is why some devices don't run their target yet.
type RemainingCause struct {
	Cause   string   `json:"cause" doc:"offered, downloading, stored or applying: the update is under way; failed: the last attempt failed, another follows; offline; handshake: online, the next handshake brings it; disabled, held, exhausted, not_now, too_large, wrong_hardware, below_floor, no_way: something keeps it back; window, zone_unknown, at_once, hourly, group_limit, gateway_limit, counting: the release's plan does"`
	Text    string   `json:"text" doc:"The cause in words"`
	Total   int      `json:"total"`
	Devices []string `json:"devices" doc:"The first of them, by id"`
	List    string   `json:"list" doc:"Path and query of the list of all of them"`
}

// RemainingDevice is a device that does not run its target yet.
type RemainingDevice struct {
	DeviceID string   `json:"device_id"`
	Running  Reported `json:"running" doc:"null: not known"`
	Target   Version  `json:"target"`
	Cause    string   `json:"cause"`
	Text     string   `json:"text" doc:"The cause in words"`
	Online   bool     `json:"online"`
}

// RemainingFilter selects devices that don't run their target yet. Zero fields select all.
type RemainingFilter struct {
	Version string // their target
	Release uint32 // with a plan
	Cause   string
	After   string
	Limit   int // 1 to 100; of devices named per cause, or listed
}

// RetryUpdates selects devices whose updates are retried, by their latest update.
type RetryUpdates struct {
	States  []string `json:"states" doc:"stopped, failed, rolled_back" example:"[\"stopped\",\"failed\"]"`
	Version Version  `json:"version,omitzero" doc:"Only updates to this version"`
}

// RetriedUpdates is what a retry did, or with dry_run would do.
type RetriedUpdates struct {
	Devices int  `json:"devices" doc:"Their attempts are reset: a stopped update is resumed, a failed one is tried again"`
	Online  int  `json:"online" doc:"Of them, those that were online and are re-evaluated at once; the others at their next handshake"`
	More    bool `json:"more,omitempty" doc:"Others are left: repeat the request"`
}
