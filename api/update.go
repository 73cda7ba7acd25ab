package api

import "time"

// Update is one try to move one device from one version to another.
type Update struct {
	ID         string     `json:"id"`
	DeviceID   string     `json:"device_id"`
	ProductID  uint32     `json:"product_id"`
	From       Reported   `json:"from"`
	To         Version    `json:"to"`
	Goal       *Version   `json:"goal,omitempty" doc:"The target, where to is a stepping stone on the way to it"`
	State      string     `json:"state" enum:"offered,downloading,stored,applying,confirmed,rolled_back,failed,superseded,stopped"`
	Reason     uint16     `json:"reason" doc:"Reason code of the protocol; 0: none"`
	ReasonText string     `json:"reason_text" doc:"The reason in words"`
	Text       string     `json:"text" doc:"What the device reported about it"`
	Attempt    int        `json:"attempt" doc:"1 for the first attempt at this version"`
	Size       int64      `json:"size" doc:"Bytes"`
	Received   int64      `json:"received" doc:"Bytes the device is known to hold"`
	SHA256     string     `json:"sha256"`
	Started    *time.Time `json:"started_at"`
	Stored     *time.Time `json:"stored_at"`
	Applied    *time.Time `json:"applied_at"`
	Changed    *time.Time `json:"updated_at"`
}

// Progress is how far a release has come.
type Progress struct {
	Version Version        `json:"version"`
	Devices int            `json:"devices" doc:"Devices whose target it is"`
	Running int            `json:"running" doc:"Those of them that run it"`
	States  map[string]int `json:"states" doc:"The rest, by the state of their last update to it; none: not tried yet"`
}

// Why is the answer to "why does this device run, or get, what it does?".
type Why struct {
	Target Version `json:"target" doc:"The version it should run; null: the one it runs"`
	Reason string  `json:"reason" enum:"development,lock,group,default,none"`
	Steps  []Step  `json:"steps" doc:"Each rule that was considered, in order"`
}

// Step is one line of a Why.
type Step struct {
	Rule    string `json:"rule"`
	Outcome string `json:"outcome"`
	Detail  string `json:"detail"`
}
