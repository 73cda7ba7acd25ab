package api

import "time"

// DeviceFilter selects devices of a product. Zero fields select all.
type DeviceFilter struct {
	Groups      []string // in any of these
	ID, Name    string   // parts of them
	Version     string   // runs this version
	Online      *bool
	Development *bool
	Locked      *bool
	Facts       map[string]string // reported all of these
	Saved       string            // name of a saved filter, in the place of the fields above
	Sort        string            // deviceName, deviceId, firmwareVersion, lastConnection
	Descending  bool
	Page        int // from 1
	PerPage     int // 1 to 100
}

// MessageFilter selects messages. Zero fields select all; Limit is 1 to 100.
type MessageFilter struct {
	Device, Topic, After string
	Search               string // part of the topic or of the device id
	Limit                int
	Ascending            bool
	From, To             time.Time // received from here on, and before this; zero: no bound
}

// AlertFilter selects alerts. Zero fields select the active ones of all devices; Limit
// is 1 to 100.
type AlertFilter struct {
	Device   string
	Archived bool
	After    string
	Limit    int
}

// UpdateFilter selects updates of a product. Zero fields select all; Limit is 1 to 100.
type UpdateFilter struct {
	States  []string
	Version string
	After   string
	Limit   int
}

// AuditFilter selects entries of the audit log. Zero fields select all; Limit is 1 to 100.
type AuditFilter struct {
	Search   string    // part of anything in the entry
	Email    string    // who did it
	Action   string    // what was done, or its first word
	Object   string    // what it was done to
	Product  uint32    // number of the product it concerns; 0: any
	From, To time.Time // made from here on, and before this; zero: no bound
	After    string
	Limit    int
}

// EventFilter selects events. Zero fields select everything about the team's devices;
// events about no device, such as an edit of a group, need Product or Prefix.
type EventFilter struct {
	Product string // id or slug
	Device  string // with or without Product
	Prefix  string // start of the name
}

// Heard is an event with its name.
type Heard struct {
	Name string `json:"name"`
	Event
}
