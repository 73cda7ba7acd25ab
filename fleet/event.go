package fleet

import "time"

// EventName is what listeners select events by: Particle's name where Particle has one
// (docs/operations.md, "Events").
type EventName string

// The events. The payload types below say which each is.
const (
	EventStatus            EventName = "spark/status"
	EventFlash             EventName = "spark/flash/status"
	EventHandshake         EventName = "muster/handshake"
	EventUpdate            EventName = "muster/update"
	EventGateway           EventName = "muster/gateway"
	EventMessage           EventName = "muster/message"
	EventAlert             EventName = "muster/alert"
	EventCommand           EventName = "muster/command"
	EventDeviceLock        EventName = "muster/device/lock"
	EventDeviceDevelopment EventName = "muster/device/development"
	EventDeviceGroups      EventName = "muster/device/groups"
	EventDeviceEdit        EventName = "muster/device/update"
	EventGroup             EventName = "muster/group"
	EventFirmwareUpload    EventName = "particle/firmware/create"
	EventFirmwareRelease   EventName = "particle/firmware/release"
	EventRelease           EventName = "muster/release"
	EventMissed            EventName = "muster/missed"
)

// Event is something that happened. It is a hint: nothing depends on an event being received.
type Event struct {
	Payload // what happened; never nil
	Team    TeamID
	Product ProductID
	Device  DeviceID
	Groups  []GroupID // the groups it concerns: only actors who see one of them receive it
	Wide    bool      // actors who see none of Groups receive it too
	At      time.Time
}

// EventView is an event as one actor sees it.
type EventView struct {
	Event
	GroupNames []string // of the groups the actor may see
	Running    Version  // of its device
}

// Payload is what one kind of event carries: one of the types below.
type Payload interface{ Name() EventName }

// StatusChanged is EventStatus: a device connected or disconnected, or an update of it began.
type StatusChanged struct{ Status Status }

// Status is Particle's word for what a device did.
type Status string

// The statuses.
const (
	StatusOnline     Status = "online"
	StatusOffline    Status = "offline"
	StatusAutoUpdate Status = "auto-update"
)

// FlashChanged is EventFlash: an update moved on, in Particle's words.
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

// HandshakeDone is EventHandshake: a device sent Hello and was answered.
type HandshakeDone struct{}

// UpdateChanged is EventUpdate: an update changed its state.
type UpdateChanged struct{ Update Update }

// GatewayChanged is EventGateway: a BLE device was attached to a gateway, or detached.
type GatewayChanged struct{ Attached bool }

// MessageReceived is EventMessage: a device sent a message.
type MessageReceived struct {
	Topic string
	Size  int // bytes of its payload
}

// AlertRaised is EventAlert: a device or Muster raised an alert.
type AlertRaised struct {
	Type  uint64 // as in Alert
	Alert string
	Text  string
	Value string // JSON, "": none
}

// AlertArchived is EventAlert too: an operator archived an alert, or restored it.
type AlertArchived struct{ Archived bool }

// CommandChanged is EventCommand: a command was queued, or its device answered it.
type CommandChanged struct{ Number uint32 }

// DeviceLocked is EventDeviceLock: a device was locked to a version; zero: unlocked.
type DeviceLocked struct{ Version Version }

// DeviceDevelopment is EventDeviceDevelopment: a device was marked for development, or unmarked.
type DeviceDevelopment struct{ Development bool }

// DeviceGroupsChanged is EventDeviceGroups; the event's Groups are those added and removed.
type DeviceGroupsChanged struct{}

// DeviceEdited is EventDeviceEdit: something else about a device was edited.
type DeviceEdited struct{ DeviceName string }

// GroupChanged is EventGroup: a group was created, edited or deleted.
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

// FirmwareUploaded is EventFirmwareUpload: a version was uploaded.
type FirmwareUploaded struct{ Version Version }

// FirmwareReleased is EventFirmwareRelease: where a version is released changed.
type FirmwareReleased struct {
	Version   Version
	Immediate bool // devices that are online get it at once
	Default   bool // it is the product default now
}

// ReleaseChanged is EventRelease: a release with a plan changed its state, stage or share.
type ReleaseChanged struct {
	ID      ReleaseID
	Version Version
	State   ReleaseState
	Share   Share
}

// EventsMissed is EventMissed: the listener was too slow and missed events, so it has to read
// the state it depends on again.
type EventsMissed struct{}

// Name implements Payload.
func (StatusChanged) Name() EventName { return EventStatus }

// Name implements Payload.
func (FlashChanged) Name() EventName { return EventFlash }

// Name implements Payload.
func (HandshakeDone) Name() EventName { return EventHandshake }

// Name implements Payload.
func (UpdateChanged) Name() EventName { return EventUpdate }

// Name implements Payload.
func (GatewayChanged) Name() EventName { return EventGateway }

// Name implements Payload.
func (MessageReceived) Name() EventName { return EventMessage }

// Name implements Payload.
func (AlertRaised) Name() EventName { return EventAlert }

// Name implements Payload.
func (AlertArchived) Name() EventName { return EventAlert }

// Name implements Payload.
func (CommandChanged) Name() EventName { return EventCommand }

// Name implements Payload.
func (DeviceLocked) Name() EventName { return EventDeviceLock }

// Name implements Payload.
func (DeviceDevelopment) Name() EventName { return EventDeviceDevelopment }

// Name implements Payload.
func (DeviceGroupsChanged) Name() EventName { return EventDeviceGroups }

// Name implements Payload.
func (DeviceEdited) Name() EventName { return EventDeviceEdit }

// Name implements Payload.
func (GroupChanged) Name() EventName { return EventGroup }

// Name implements Payload.
func (FirmwareUploaded) Name() EventName { return EventFirmwareUpload }

// Name implements Payload.
func (FirmwareReleased) Name() EventName { return EventFirmwareRelease }

// Name implements Payload.
func (ReleaseChanged) Name() EventName { return EventRelease }

// Name implements Payload.
func (EventsMissed) Name() EventName { return EventMissed }
