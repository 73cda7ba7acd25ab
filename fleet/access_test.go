package fleet_test

import (
	"errors"
	"testing"

	"github.com/muster-iot/muster/fleet"
)

// The groups of these tests; the actors of a table hold some of them.
const (
	groupA fleet.GroupID = iota + 1
	groupB
	groupC
)

const team, otherTeam fleet.TeamID = 1, 2

func actor(role fleet.Role, groups ...fleet.GroupID) fleet.Actor {
	return fleet.Actor{User: 1, Team: team, Role: role, Groups: groups}
}

func device(groups ...fleet.GroupID) *fleet.Device {
	return &fleet.Device{ID: "dev", Team: team, Groups: groups}
}

// The rule of docs/rules.md#who-sees-what, number 1, by cases.
func TestDeviceIsVisibleByItsGroups(t *testing.T) {
	for _, row := range []struct {
		name        string
		user        []fleet.GroupID
		device      []fleet.GroupID
		visible     bool
		withGateway bool // visible when it is a BLE device whose gateway is
	}{
		{"user none, device none", nil, nil, true, true},
		{"user A, device none", []fleet.GroupID{groupA}, nil, true, true},
		{"user none, device B", nil, []fleet.GroupID{groupB}, false, true},
		{"user A, device B", []fleet.GroupID{groupA}, []fleet.GroupID{groupB}, false, true},
		{"user A and B, device B and C", []fleet.GroupID{groupA, groupB}, []fleet.GroupID{groupB, groupC}, true, true},
	} {
		gateway := &fleet.Device{ID: "gw", Team: team, Kind: fleet.Gateway}
		d := device(row.device...)
		ble := *d
		ble.Kind, ble.Gateway = fleet.BLE, gateway.ID
		for _, role := range []fleet.Role{fleet.Viewer, fleet.Editor} {
			a := actor(role, row.user...)
			if got := fleet.Sees(a, d, nil); got != row.visible {
				t.Errorf("%s: %v: got %v, want %v", row.name, role, got, row.visible)
			}
			if got := fleet.Sees(a, &ble, gateway); got != row.withGateway {
				t.Errorf("%s: %v, BLE device behind a visible gateway: got %v, want %v", row.name, role, got, row.withGateway)
			}
		}
		for _, role := range []fleet.Role{fleet.Admin, fleet.Owner} {
			if !fleet.Sees(actor(role, row.user...), d, nil) {
				t.Errorf("%s: %v: not visible", row.name, role)
			}
		}
		if fleet.Sees(actor(fleet.NoRole, row.user...), d, nil) {
			t.Errorf("%s: visible without a role", row.name)
		}
	}
}

func TestGatewayShowsItsBLEDevice(t *testing.T) {
	visible := &fleet.Device{ID: "gw", Team: team, Kind: fleet.Gateway, Groups: []fleet.GroupID{groupA}}
	hidden := &fleet.Device{ID: "gw", Team: team, Kind: fleet.Gateway, Groups: []fleet.GroupID{groupB}}
	foreign := &fleet.Device{ID: "gw", Team: otherTeam, Kind: fleet.Gateway, Groups: []fleet.GroupID{groupA}}
	another := &fleet.Device{ID: "gw2", Team: team, Kind: fleet.Gateway, Groups: []fleet.GroupID{groupA}}
	for _, row := range []struct {
		name    string
		kind    fleet.DeviceKind
		gateway *fleet.Device
		want    bool
	}{
		{"gateway visible", fleet.BLE, visible, true},
		{"gateway hidden", fleet.BLE, hidden, false},
		{"detached", fleet.BLE, nil, false},
		{"gateway of another team", fleet.BLE, foreign, false},
		{"a gateway it is not attached to", fleet.BLE, another, false},
		{"no BLE device", fleet.Generic, visible, false},
	} {
		d := &fleet.Device{ID: "ble", Team: team, Kind: row.kind, Gateway: "gw", Groups: []fleet.GroupID{groupC}}
		if got := fleet.Sees(actor(fleet.Viewer, groupA), d, row.gateway); got != row.want {
			t.Errorf("%s: got %v, want %v", row.name, got, row.want)
		}
	}
}

// Rule 3 gives sight only: changing the BLE device takes rule 1 or 2.
func TestSightThroughAGatewayIsNotMore(t *testing.T) {
	gateway := &fleet.Device{ID: "gw", Team: team, Kind: fleet.Gateway, Groups: []fleet.GroupID{groupA}}
	ble := &fleet.Device{ID: "ble", Team: team, Kind: fleet.BLE, Gateway: "gw", Groups: []fleet.GroupID{groupB}}
	object := fleet.Object{Team: team, Device: ble, Gateway: gateway, Assigned: func(fleet.GroupID) bool { return false }}
	editor := actor(fleet.Editor, groupA)
	if err := fleet.May(editor, fleet.SeeDevice, object); err != nil {
		t.Errorf("see: %v", err)
	}
	for name, action := range map[string]fleet.Action{"edit": fleet.EditDevice, "operate": fleet.OperateDevice, "delete": fleet.DeleteDevice} {
		if err := fleet.May(editor, action, object); !errors.Is(err, fleet.Denied) {
			t.Errorf("%s: got %v, want %v", name, err, fleet.Denied)
		}
	}
	ble.Groups = nil
	if err := fleet.May(editor, fleet.EditDevice, object); err != nil {
		t.Errorf("edit one without groups: %v", err)
	}
}

// actions has the rows of the table in docs/rules.md#who-sees-what: who may do each action
// to an object they see. roles is owner, admin, editor, viewer.
var actions = []struct {
	name   string
	action fleet.Action
	roles  [4]bool
}{
	{"see the team, products and firmware", fleet.SeeTeam, [4]bool{true, true, true, true}},
	{"see messages and alerts", fleet.SeeMessages, [4]bool{true, true, true, true}},
	{"see a device", fleet.SeeDevice, [4]bool{true, true, true, true}},
	{"edit a device", fleet.EditDevice, [4]bool{true, true, true, false}},
	{"operate a device", fleet.OperateDevice, [4]bool{true, true, true, false}},
	{"delete a device", fleet.DeleteDevice, [4]bool{true, true, true, false}},
	{"import devices", fleet.ImportDevices, [4]bool{true, true, false, false}},
	{"assign groups", fleet.AssignGroups, [4]bool{true, true, false, false}},
	{"see a group", fleet.SeeGroup, [4]bool{true, true, true, true}},
	{"edit products and firmware", fleet.EditProducts, [4]bool{true, true, false, false}},
	{"download an image", fleet.DownloadImage, [4]bool{true, true, true, false}},
	{"upload firmware", fleet.UploadFirmware, [4]bool{true, true, true, false}},
	{"release to a group", fleet.ReleaseToGroup, [4]bool{true, true, true, false}},
	{"release as product default", fleet.ReleaseDefault, [4]bool{true, true, false, false}},
	{"see the audit log", fleet.SeeAudit, [4]bool{true, true, false, false}},
	{"manage users", fleet.ManageUsers, [4]bool{true, true, false, false}},
	{"manage admins", fleet.ManageAdmins, [4]bool{true, false, false, false}},
	{"decide who is notified", fleet.EditChannels, [4]bool{true, true, false, false}},
	{"own the team", fleet.OwnTeam, [4]bool{true, false, false, false}},
}

var allRoles = [4]fleet.Role{fleet.Owner, fleet.Admin, fleet.Editor, fleet.Viewer}

func TestRolesMayWhatTheTableSays(t *testing.T) {
	if want := int(fleet.OwnTeam) + 1; len(actions) != want {
		t.Fatalf("the table has %d actions, there are %d", len(actions), want)
	}
	for i, row := range actions {
		if int(row.action) != i {
			t.Errorf("%s: out of order", row.name)
		}
		for j, role := range allRoles {
			object := fleet.Object{Team: team, Device: device(groupA), Group: groupA}
			err := fleet.May(actor(role, groupA), row.action, object)
			if row.roles[j] && err != nil || !row.roles[j] && !errors.Is(err, fleet.Denied) {
				t.Errorf("%s: %v: got %v, want allowed %v", row.name, role, err, row.roles[j])
			}
		}
	}
}

func TestUnknownActionIsForAdmins(t *testing.T) {
	const unknown = fleet.OwnTeam + 1
	if err := fleet.May(actor(fleet.Editor), unknown, fleet.Object{Team: team}); !errors.Is(err, fleet.Denied) {
		t.Errorf("editor: got %v, want %v", err, fleet.Denied)
	}
	if err := fleet.May(actor(fleet.Admin), unknown, fleet.Object{Team: team}); err != nil {
		t.Errorf("admin: %v", err)
	}
}

func TestAnotherTeamsObjectIsNotFound(t *testing.T) {
	foreign := &fleet.Device{ID: "dev", Team: otherTeam}
	for _, row := range actions {
		for _, role := range allRoles {
			if err := fleet.May(actor(role), row.action, fleet.Object{Team: otherTeam, Device: foreign}); !errors.Is(err, fleet.NotFound) {
				t.Errorf("%s: %v in another team: got %v, want %v", row.name, role, err, fleet.NotFound)
			}
			if err := fleet.May(actor(role), row.action, fleet.Object{Team: team, Device: foreign}); !errors.Is(err, fleet.NotFound) {
				t.Errorf("%s: %v, a device of another team: got %v, want %v", row.name, role, err, fleet.NotFound)
			}
		}
		if err := fleet.May(actor(fleet.NoRole), row.action, fleet.Object{Team: team}); !errors.Is(err, fleet.NotFound) {
			t.Errorf("%s: without a role: got %v, want %v", row.name, err, fleet.NotFound)
		}
	}
}

func TestHiddenDeviceIsNotFound(t *testing.T) {
	for _, action := range []fleet.Action{fleet.SeeDevice, fleet.EditDevice, fleet.OperateDevice, fleet.DeleteDevice} {
		for _, role := range []fleet.Role{fleet.Viewer, fleet.Editor} {
			err := fleet.May(actor(role, groupA), action, fleet.Object{Team: team, Device: device(groupB)})
			if !errors.Is(err, fleet.NotFound) {
				t.Errorf("action %d: %v: got %v, want %v", action, role, err, fleet.NotFound)
			}
		}
		if err := fleet.May(actor(fleet.Admin), action, fleet.Object{Team: team, Device: device(groupB)}); err != nil {
			t.Errorf("action %d: admin: %v", action, err)
		}
	}
}

func TestVisibleDeviceThatMayNotBeChangedIsDenied(t *testing.T) {
	err := fleet.May(actor(fleet.Viewer), fleet.EditDevice, fleet.Object{Team: team, Device: device()})
	if !errors.Is(err, fleet.Denied) {
		t.Errorf("got %v, want %v", err, fleet.Denied)
	}
}

// An editor may not delete a device in a group they don't hold that has any user.
func TestDeleteSparesOtherPeoplesGroups(t *testing.T) {
	inUse := func(used ...fleet.GroupID) func(fleet.GroupID) bool {
		return func(g fleet.GroupID) bool {
			for _, u := range used {
				if u == g {
					return true
				}
			}
			return false
		}
	}
	for _, row := range []struct {
		name     string
		role     fleet.Role
		groups   []fleet.GroupID
		assigned func(fleet.GroupID) bool
		ok       bool
	}{
		{"no groups", fleet.Editor, nil, inUse(groupB), true},
		{"own group only", fleet.Editor, []fleet.GroupID{groupA}, inUse(groupA), true},
		{"other group with a user", fleet.Editor, []fleet.GroupID{groupA, groupB}, inUse(groupB), false},
		{"other group without users", fleet.Editor, []fleet.GroupID{groupA, groupB}, inUse(), true},
		{"two other groups, one with a user", fleet.Editor, []fleet.GroupID{groupA, groupB, groupC}, inUse(groupC), false},
		{"users not known", fleet.Editor, []fleet.GroupID{groupA, groupB}, nil, false},
		{"admin", fleet.Admin, []fleet.GroupID{groupA, groupB}, inUse(groupB), true},
		{"owner", fleet.Owner, []fleet.GroupID{groupB}, inUse(groupB), true},
	} {
		object := fleet.Object{Team: team, Device: device(row.groups...), Assigned: row.assigned}
		err := fleet.May(actor(row.role, groupA), fleet.DeleteDevice, object)
		if (err == nil) != row.ok {
			t.Errorf("%s: got %v, want allowed %v", row.name, err, row.ok)
		}
		var detail *fleet.Error
		if err != nil && (!errors.Is(err, fleet.Denied) || !errors.As(err, &detail) || detail.Code != "group_restricted") {
			t.Errorf("%s: got %v, want %v with the code group_restricted", row.name, err, fleet.Denied)
		}
		if err := fleet.May(actor(row.role, groupA), fleet.EditDevice, object); err != nil {
			t.Errorf("%s: edit: %v, the exception is for deleting", row.name, err)
		}
	}
}

func TestGroupOneDoesNotHoldIsNotFound(t *testing.T) {
	for _, row := range []struct {
		name   string
		actor  fleet.Actor
		action fleet.Action
		group  fleet.GroupID
		want   fleet.Kind // "": allowed
	}{
		{"editor releases to a held group", actor(fleet.Editor, groupA), fleet.ReleaseToGroup, groupA, ""},
		{"editor releases to another group", actor(fleet.Editor, groupA), fleet.ReleaseToGroup, groupB, fleet.NotFound},
		{"editor without groups releases", actor(fleet.Editor), fleet.ReleaseToGroup, groupB, fleet.NotFound},
		{"viewer releases to a held group", actor(fleet.Viewer, groupA), fleet.ReleaseToGroup, groupA, fleet.Denied},
		{"admin releases to any group", actor(fleet.Admin), fleet.ReleaseToGroup, groupB, ""},
		{"viewer sees a held group", actor(fleet.Viewer, groupA), fleet.SeeGroup, groupA, ""},
		{"viewer sees another group", actor(fleet.Viewer, groupA), fleet.SeeGroup, groupB, fleet.NotFound},
		{"owner sees any group", actor(fleet.Owner), fleet.SeeGroup, groupB, ""},
	} {
		err := fleet.May(row.actor, row.action, fleet.Object{Team: team, Group: row.group})
		if row.want == "" && err != nil || row.want != "" && !errors.Is(err, row.want) {
			t.Errorf("%s: got %v, want %q", row.name, err, row.want)
		}
	}
}

// Messages are not filtered by group, for nobody.
func TestMessagesAreSeenByTheWholeTeam(t *testing.T) {
	for _, role := range allRoles {
		if err := fleet.May(actor(role, groupA), fleet.SeeMessages, fleet.Object{Team: team}); err != nil {
			t.Errorf("%v: %v", role, err)
		}
	}
}
