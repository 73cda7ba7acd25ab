package fleet

import "time"

// DeviceView is a device as one actor sees it: Groups holds only groups the actor may
// see, and GroupNames their names in the same order.
type DeviceView struct {
	Device
	GroupNames []string
	Slug       string // of its product
	Online     bool
	Target     Version    // what it should run; zero: it keeps what it runs
	Reason     Reason     // the rule that decided Target
	Children   []DeviceID // of a gateway, when it is read on its own: the BLE devices attached to it
	Released   Version    // its target by releases alone, without development and lock
	Tag        string     // changes when an operator changes what the actor sees of it
	User       string     // of a device that is read on its own: the user name it needs, id@team; "": its id will do
}

// DeviceViews is one page of a list of devices.
type DeviceViews struct {
	Devices []DeviceView
	Next    string // cursor of the next page, "" on the last
	Total   int    // devices the query selects in all
}

// DeviceEdit is a change of one device. Nil leaves a field unchanged.
type DeviceEdit struct {
	Name, Notes *string
	Development *bool
	Force       *bool
	Disabled    *bool
	Lock        *Version // the zero Version unlocks
	Flash       bool     // with Lock: also at once, if the device is online
	Groups      *[]string
	Gateway     *DeviceID // "" detaches
	If          string    // the device's Tag that the actor has seen; "": any
}

// DevicesEdit is a change of many devices of a product. Nil leaves a field unchanged.
type DevicesEdit struct {
	Product     ProductID
	Devices     []DeviceID
	Lock        *Version // the zero Version unlocks
	Flash       bool     // with Lock: also at once, those that are online
	Development *bool
}

// GroupsEdit adds and removes groups, by name, on many devices of a product at once.
type GroupsEdit struct {
	Product     ProductID
	Devices     []DeviceID
	Add, Remove []string
}

// ProductEdit is a change of a product. Nil leaves a field unchanged.
type ProductEdit struct {
	Name, Slug, Description *string
	Roaming                 *Roaming
	AutoRegister            *int
	If                      string // the product's Tag that the actor has seen; "": any
}

// GroupEdit is a change of a group. Nil leaves a field unchanged.
type GroupEdit struct {
	Name, Description, Color *string
	If                       string // the group's Tag that the actor has seen; "": any
}

// FirmwareEdit is a change of a firmware. Nil leaves a field unchanged.
type FirmwareEdit struct {
	Title, Description *string
	Notes              *string
	Hardware           *[]string
	Requires           *Range
	If                 string // the Tag of its FirmwareView that the actor has seen; "": any
}

// TeamEdit is a change of a team.
type TeamEdit struct {
	Name string
	If   string // the team's Tag that the actor has seen; "": any
}

// GroupView is a group with its release and size, as one actor sees it.
type GroupView struct {
	Group
	Release Version // its release in the product of the query; zero: none
	Devices int     // visible members in that product, or in the team if the query is not about a product
}

// Account is an actor with their team and the names of their groups.
type Account struct {
	User   User // without its password
	Team   Team
	Role   Role
	Groups []string // names of the actor's groups
}

// SignIn is a request for a token, proven by a password.
type SignIn struct {
	Email    string
	Password string
	Team     TeamID        // 0: the user's oldest team
	Address  string        // of the client, without port; failed proofs are counted by network
	Browser  string        // mark of a browser that the user signed in with before; "": a stranger's
	Lifetime time.Duration // of the token; 0: the default
}

// NewPassword is a request of a user to change their own password.
type NewPassword struct {
	Old, New string
	Address  string // of the client, without port
	Keep     string // secret of the token to keep; the user's other tokens end, in every team
}

// Acceptance is a request of an invited person to join the team: with the invitation's
// secret, and the password of their account, or, if they have none, of the new one.
type Acceptance struct {
	Secret   string
	Password string
	Another  bool   // makes an account even if there are some with the email already
	Name     string // of a new account; may be empty
	Address  string // of the client, without port
}

// AuditEntry is an entry of a team's audit log: who changed what, from what to what.
type AuditEntry struct {
	Cursor string // position in its team's log; grows
	Team   TeamID
	User   UserID
	Email  string
	Action string // "device.update", "firmware.release" ...
	Object string // id or name of what was changed
	Before string // JSON, "" if it was created
	After  string // JSON, "" if it was deleted
	At     time.Time
	Token  string // id of the token it was done with; "": none
	From   string // IP address it was done from; "": the server
	Number uint64 // in its team's chain, from 1; 0: older than chains (package audit/chain)
	Prev   Digest // of the entry before it in the chain; zero: the first

	Product ProductID // that it concerns; 0: none, all, or not known in entries of earlier releases
}

// AuditQuery selects entries of one team's audit log, newest first. "" selects all.
type AuditQuery struct {
	Text    string    // part of any text in the entry, ignoring case
	Email   string    // who did it
	Action  string    // what was done, or how it begins: "device" or "device.update"
	Object  string    // what it was done to
	Product ProductID // 0: any
	From    time.Time // zero: any
	To      time.Time // before this; zero: any
	After   string
	Limit   int // 1 to 100
}

// AlertQuery selects alerts of one team, newest first.
type AlertQuery struct {
	Team     TeamID
	Device   DeviceID // "" for all
	Archived bool     // the archived ones instead of the active ones
	After    string
	Limit    int // 1 to 100
}

// DeviceUpdate is an update and its device.
type DeviceUpdate struct {
	Device DeviceID
	Update
}
