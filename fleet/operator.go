package fleet

import "time"

// DeviceView is a device as one actor sees it: Groups holds only groups the actor may
// see, and GroupNames their names in the same order.
type DeviceView struct {
	Device
	GroupNames []string
	Slug       string // of its product
	Online     bool
	Target     Version    // what it should run; zero: whatever it runs
	Reason     Reason     // the rule that gave Target
	Children   []DeviceID // of a gateway that was asked for by itself: the BLE devices attached to it
	Released   Version    // what releases alone would give it, without development and lock
	Tag        string     // changes whenever an operator changes what the actor sees of it
}

// DeviceViews is one page of a list of devices.
type DeviceViews struct {
	Devices []DeviceView
	Next    string // cursor of the next page, "" on the last
	Total   int    // devices the query selects in all
}

// DeviceEdit is what an operator changes of one device. Nil leaves as it is.
type DeviceEdit struct {
	Name, Notes *string
	Development *bool
	Force       *bool
	Disabled    *bool
	Lock        *Version // the zero Version unlocks
	Flash       bool     // with Lock: also at once, if the device is online
	Groups      *[]string
	Gateway     *DeviceID // "" detaches
	If          string    // only while the device's Tag, as the actor sees it, is this; "": always
}

// DevicesEdit changes many devices of a product at once. Nil leaves as it is.
type DevicesEdit struct {
	Product     ProductID
	Devices     []DeviceID
	Lock        *Version // the zero Version unlocks
	Flash       bool     // with Lock: also at once, those that are online
	Development *bool
}

// Import asks for devices to become members of a product. Groups are names; one that
// does not exist is created.
type Import struct {
	Product ProductID
	IDs     []string // as they were sent: an invalid one is an outcome, not an error
	Groups  []string
	Gateway DeviceID // the devices are BLE devices attached to this gateway; "": they are not
}

// Imported is what became of each id of an Import.
type Imported struct {
	Updated   []DeviceID          // new in the product
	Existing  []DeviceID          // were in it before; left as they were
	Nonmember []DeviceID          // belong to another product or team
	Invalid   []string            // can't be a device id
	Secrets   map[DeviceID]string // of the new ones; never shown again
}

// GroupsEdit adds and removes groups, by name, on many devices of a product at once.
type GroupsEdit struct {
	Product     ProductID
	Devices     []DeviceID
	Add, Remove []string
}

// ProductEdit is what an operator changes of a product. Nil leaves as it is.
type ProductEdit struct {
	Name, Slug, Description *string
	Roaming                 *bool
	AutoRegister            *int
	If                      string // only while the product's Tag is this; "": always
}

// GroupEdit is what an operator changes of a group. Nil leaves as it is.
type GroupEdit struct {
	Name, Description, Color *string
	If                       string // only while the group's Tag is this; "": always
}

// FirmwareEdit is what an operator changes of a firmware. Nil leaves as it is.
type FirmwareEdit struct {
	Title, Description *string
	If                 string // only while the Tag of its Released, as the actor sees it, is this; "": always
}

// TeamEdit is what an owner changes of a team.
type TeamEdit struct {
	Name string
	If   string // only while the team's Tag is this; "": always
}

// GroupView is a group with what follows from it, as one actor sees it.
type GroupView struct {
	Group
	Release Version // its release in the product asked about; zero: none
	Devices int     // visible members in that product, or in the team when none was asked about
}

// Account is who an actor is, with names for people.
type Account struct {
	User   User // without its password
	Team   Team
	Role   Role
	Groups []string // names of the actor's groups
}

// SignIn is a proof of who someone is, by password.
type SignIn struct {
	Email    string
	Password string
	Team     TeamID        // 0: the user's oldest team
	Address  string        // of the client, without port: what failed proofs are counted by
	Lifetime time.Duration // of the token; 0: as long as the server gives
}

// NewPassword is how a user changes their own password.
type NewPassword struct {
	Old, New string
	Address  string // of the client, without port: what failed proofs are counted by
	Keep     string // secret of the token that goes on; the user's others end, in every team
}

// Acceptance is how an invited person takes the place offered: with the invitation's
// secret, and the password of their account, or the one it is to have when it is new.
type Acceptance struct {
	Secret   string
	Password string
	Name     string // of a new account; may be empty
	Address  string // of the client, without port
}

// AuditEntry is one line of a team's audit log: who changed what, from what to what.
type AuditEntry struct {
	Cursor string // position in its team's log; grows
	Team   TeamID
	User   UserID
	Email  string
	Action string // "device.update", "firmware.release" ...
	Object string // id or name of what was changed
	Before string // JSON, "" when there was nothing
	After  string // JSON, "" when nothing is left
	At     time.Time
}

// AuditQuery selects entries of one team's audit log, newest first. Texts are compared
// whatever the case; "" selects all.
type AuditQuery struct {
	Text   string // part of anything in the entry
	Email  string // who did it
	Action string // what was done, or how it begins: "device" or "device.update"
	Object string // what it was done to
	After  string
	Limit  int // 1 to 100
}

// AlertQuery selects alerts of one team, newest first.
type AlertQuery struct {
	Team     TeamID
	Device   DeviceID // "" for all
	Archived bool     // those put away instead of the active ones
	After    string
	Limit    int // 1 to 100
}

// DeviceUpdate is an update with the device it moves.
type DeviceUpdate struct {
	Device DeviceID
	Update
}
