package fleet

// Actor is the user who asks, with the rights they hold at this moment.
type Actor struct {
	User   UserID
	Email  string
	Team   TeamID
	Role   Role
	Groups []GroupID // sorted

	// For the audit log alone: the id of the token they proved themselves by, and where they are,
	// an IP without port; "" for what the server does by itself.
	Token, Address string
}

// Action is what an actor wants to do.
type Action uint8

// The actions: one for each row of the table in docs/rules.md#who-sees-what.
const (
	SeeTeam        Action = iota // the team itself, its members' names, its products and firmware
	SeeMessages                  // messages and alerts, never filtered by group
	SeeDevice                    // one device, as far as rules 1 to 3 show it
	EditDevice                   // name, notes, lock, development, flash, updates
	OperateDevice                // messages, commands, alerts, retry and stop updates
	DeleteDevice                 // with the exception for hidden groups
	ImportDevices                // import, rotate credentials
	AssignGroups                 // groups of devices and users; create, edit, delete groups
	SeeGroup                     // a group's name and everything about it
	EditProducts                 // create and edit products; edit and delete firmware
	DownloadImage                // an image's bytes
	UploadFirmware               // a new version
	ReleaseToGroup               // of a group, given as Object.Group
	ReleaseDefault               // as product default
	SeeAudit                     // audit log, fleet-wide charts, tokens of others
	ManageUsers                  // invite, remove, set roles below admin
	ManageAdmins                 // the same for admins
	EditChannels                 // who is notified of what, and the log of it
	OwnTeam                      // rename or delete the team, hand over ownership
)

// Object is what an action is about. Team is always set, the other fields where the
// action needs them.
type Object struct {
	Team   TeamID
	Device *Device // for device actions
	// Gateway is the gateway a BLE device is attached to, nil when detached.
	Gateway *Device
	// Group is the group of SeeGroup and ReleaseToGroup.
	Group GroupID
	// Assigned reports whether any user of the team holds group g; DeleteDevice only.
	Assigned func(g GroupID) bool
}

// May returns nil if actor may do action to object, NotFound if actor can't see the
// object, and Denied if they see it but may not do this. It is the only authorisation
// function: REST, console, CLI, events and exports all call it, for each request
// (docs/rules.md#who-sees-what).
func May(actor Actor, action Action, object Object) error {
	if actor.Role == NoRole || actor.Team != object.Team {
		return Errorf(NotFound, "not found in your team")
	}
	if object.Device != nil && !Sees(actor, object.Device, object.Gateway) {
		return Errorf(NotFound, "no such device: %s", object.Device.ID)
	}
	if err := MayInTeam(actor, action); err != nil {
		return err
	}
	switch action {
	case SeeGroup, ReleaseToGroup:
		return mayGroup(actor, object.Group)
	case EditDevice, OperateDevice, DeleteDevice:
		return mayChange(actor, action, object)
	}
	return nil
}

// MayInTeam is the part of May that concerns the team alone: whether the actor's role
// permits action at all. nil does not mean that it permits it to every object.
func MayInTeam(actor Actor, action Action) error {
	switch action {
	case SeeTeam, SeeMessages, SeeDevice, SeeGroup:
		return atLeast(actor, Viewer)
	case EditDevice, OperateDevice, DeleteDevice, DownloadImage, UploadFirmware, ReleaseToGroup:
		return atLeast(actor, Editor)
	case OwnTeam, ManageAdmins:
		return atLeast(actor, Owner)
	default: // every action not named above is for admins: deny by default
		return atLeast(actor, Admin)
	}
}

// May checks an action on a's own team that is not about one device or group.
func (a Actor) May(action Action) error { return May(a, action, Object{Team: a.Team}) }

// Visible returns those of groups that a may see, in the same order.
func (a Actor) Visible(groups []GroupID) []GroupID {
	var visible []GroupID
	for _, g := range groups {
		if May(a, SeeGroup, Object{Team: a.Team, Group: g}) == nil {
			visible = append(visible, g)
		}
	}
	return visible
}

// Sees reports whether actor sees d by the rules of docs/rules.md#who-sees-what. gateway
// is the one a BLE device is attached to, nil if there is none.
func Sees(actor Actor, d, gateway *Device) bool {
	if actor.Team != d.Team || actor.Role == NoRole {
		return false
	}
	if reaches(actor, d) {
		return true
	}
	return d.Kind == BLE && gateway != nil && gateway.Team == d.Team && gateway.ID == d.Gateway && reaches(actor, gateway)
}

// reaches reports whether actor sees d without regard to its gateway: d has no groups, or
// shares one with actor.
func reaches(actor Actor, d *Device) bool {
	return !actor.Role.Restricted() || len(d.Groups) == 0 || d.InAnyOf(actor.Groups)
}

func mayChange(actor Actor, action Action, object Object) error {
	if object.Device == nil || !actor.Role.Restricted() {
		return nil
	}
	if !reaches(actor, object.Device) {
		return Errorf(Denied, "device %s is visible through its gateway only: changing it needs one of its groups", object.Device.ID)
	}
	if action == DeleteDevice {
		for _, g := range object.Device.Groups {
			if !holds(actor, g) && (object.Assigned == nil || object.Assigned(g)) {
				return &Error{Kind: Denied, Code: "group_restricted", Text: "device " + object.Device.ID.String() +
					" is in a group you don't hold that has users: ask an admin to delete it"}
			}
		}
	}
	return nil
}

func mayGroup(actor Actor, g GroupID) error {
	if !actor.Role.Restricted() || holds(actor, g) {
		return nil
	}
	return Errorf(NotFound, "no such group")
}

func holds(actor Actor, g GroupID) bool { return shares([]GroupID{g}, actor.Groups) }

func atLeast(actor Actor, role Role) error {
	if actor.Role >= role {
		return nil
	}
	return Errorf(Denied, "this requires the %s role; yours is %s", role, actor.Role)
}
