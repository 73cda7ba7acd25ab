// Package event is what happens to devices and in teams, as listeners receive it: the names that
// they select by, and what each kind carries.
package event

import (
	"time"

	"github.com/muster-iot/muster/fleet"
)

// Name is what listeners select events by: Particle's name where Particle has one
// (docs/operations.md, "Events").
type Name string

// The events. The payload types below name theirs.
const (
	NameStatus            Name = "spark/status"
	NameFlash             Name = "spark/flash/status"
	NameHandshake         Name = "muster/handshake"
	NameUpdate            Name = "muster/update"
	NameGateway           Name = "muster/gateway"
	NameMessage           Name = "muster/message"
	NameAlert             Name = "muster/alert"
	NameCommand           Name = "muster/command"
	NameDeviceLock        Name = "muster/device/lock"
	NameDeviceDevelopment Name = "muster/device/development"
	NameDeviceGroups      Name = "muster/device/groups"
	NameDeviceEdit        Name = "muster/device/update"
	NameGroup             Name = "muster/group"
	NameFirmwareUpload    Name = "particle/firmware/create"
	NameFirmwareRelease   Name = "particle/firmware/release"
	NameRelease           Name = "muster/release"
	NameJob               Name = "muster/job"
	NameMissed            Name = "muster/missed"
)

// Event is something that happened. It is a hint: nothing depends on an event being received.
type Event struct {
	Payload // what happened; never nil
	Team    fleet.TeamID
	Product fleet.ProductID
	Device  fleet.DeviceID
	Groups  []fleet.GroupID // the groups it concerns: only actors who see one of them receive it
	Wide    bool            // actors who see none of Groups receive it too
	At      time.Time
}

// View is an event as one actor sees it.
type View struct {
	Event
	GroupNames []string      // of the groups the actor may see
	Running    fleet.Version // of its device
}

// Payload is what one kind of event carries: one of the types below.
type Payload interface{ Name() Name }

// StatusChanged is NameStatus: a device connected or disconnected, or an update of it began.
type StatusChanged struct{ Status Status }

// Status is Particle's word for what a device did.
type Status string

// The statuses.
const (
	StatusOnline     Status = "online"
	StatusOffline    Status = "offline"
	StatusAutoUpdate Status = "auto-update"
)

// FlashChanged is NameFlash: an update moved on, in Particle's words.
type FlashChanged struct{ Status FlashStatus }

// FlashStatus is Particle's word for where an update stands.
type FlashStatus string

// The statuses of an update. FlashSuccess means that the device holds the image; only a later
// handshake shows that it runs it.
const (
	FlashStarted FlashStatus = "started"
	FlashSuccess FlashStatus = "success"
	FlashFailed  FlashStatus = "failed"
)

// HandshakeDone is NameHandshake: a device sent Hello and was answered.
type HandshakeDone struct{}

// UpdateChanged is NameUpdate: an update changed its state.
type UpdateChanged struct{ Update fleet.Update }

// GatewayChanged is NameGateway: a BLE device was attached to a gateway, or detached.
type GatewayChanged struct{ Attached bool }

// MessageReceived is NameMessage: a device sent a message.
type MessageReceived struct {
	Topic string
	Size  int // bytes of its payload
}

// AlertRaised is NameAlert: a device or Muster raised an alert.
type AlertRaised struct {
	Type  uint64 // as in Alert
	Alert string
	Text  string
	Value string // JSON, "": none
}

// AlertArchived is sent as NameAlert: an operator archived an alert, or restored it.
type AlertArchived struct{ Archived bool }

// CommandChanged is NameCommand: a command was queued, or its device answered it.
type CommandChanged struct{ Number uint32 }

// DeviceLocked is NameDeviceLock: a device was locked to a version; zero: unlocked.
type DeviceLocked struct{ Version fleet.Version }

// DeviceDevelopment is NameDeviceDevelopment: a device was marked for development, or unmarked.
type DeviceDevelopment struct{ Development bool }

// DeviceGroupsChanged is NameDeviceGroups; the event's Groups are those added and removed.
type DeviceGroupsChanged struct{}

// DeviceEdited is NameDeviceEdit: something else about a device was edited.
type DeviceEdited struct{ DeviceName string }

// GroupChanged is NameGroup: a group was created, edited or deleted.
type GroupChanged struct {
	Action GroupAction
	Group  string // its name
}

// GroupAction is what was done to a group.
type GroupAction string

// What is done to groups.
const (
	GroupCreated GroupAction = "created"
	GroupUpdated GroupAction = "updated"
	GroupDeleted GroupAction = "deleted"
)

// FirmwareUploaded is NameFirmwareUpload: a version was uploaded.
type FirmwareUploaded struct{ Version fleet.Version }

// FirmwareReleased is NameFirmwareRelease: where a version is released changed.
type FirmwareReleased struct {
	Version   fleet.Version
	Immediate bool // devices that are online get it at once
	Default   bool // it is the product default now
}

// ReleaseChanged is NameRelease: a release with a plan changed its state, stage or share.
type ReleaseChanged struct {
	ID      fleet.ReleaseID
	Version fleet.Version
	State   fleet.ReleaseState
	Share   fleet.Share
}

// JobChanged is NameJob: a job that changes many devices began, moved on or ended.
type JobChanged struct {
	Number        uint32
	State         string
	Devices, Left int
}

// Missed is NameMissed: the listener was too slow and missed events, so it has to read
// the state it depends on again.
type Missed struct{}

// Name implements Payload.
func (StatusChanged) Name() Name { return NameStatus }

// Name implements Payload.
func (FlashChanged) Name() Name { return NameFlash }

// Name implements Payload.
func (HandshakeDone) Name() Name { return NameHandshake }

// Name implements Payload.
func (UpdateChanged) Name() Name { return NameUpdate }

// Name implements Payload.
func (GatewayChanged) Name() Name { return NameGateway }

// Name implements Payload.
func (MessageReceived) Name() Name { return NameMessage }

// Name implements Payload.
func (AlertRaised) Name() Name { return NameAlert }

// Name implements Payload.
func (AlertArchived) Name() Name { return NameAlert }

// Name implements Payload.
func (CommandChanged) Name() Name { return NameCommand }

// Name implements Payload.
func (DeviceLocked) Name() Name { return NameDeviceLock }

// Name implements Payload.
func (DeviceDevelopment) Name() Name { return NameDeviceDevelopment }

// Name implements Payload.
func (DeviceGroupsChanged) Name() Name { return NameDeviceGroups }

// Name implements Payload.
func (DeviceEdited) Name() Name { return NameDeviceEdit }

// Name implements Payload.
func (GroupChanged) Name() Name { return NameGroup }

// Name implements Payload.
func (FirmwareUploaded) Name() Name { return NameFirmwareUpload }

// Name implements Payload.
func (FirmwareReleased) Name() Name { return NameFirmwareRelease }

// Name implements Payload.
func (ReleaseChanged) Name() Name { return NameRelease }

// Name implements Payload.
func (JobChanged) Name() Name { return NameJob }

// Name implements Payload.
func (Missed) Name() Name { return NameMissed }
