package rest

import (
	"context"
	"io"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/ota/precedence"
	"github.com/muster-iot/muster/ota/release"
)

// Accounts is what users do about teams, members, invitations and tokens.
type Accounts interface {
	Access
	Teams
	Members
	Invitations
	Tokens
}

// Registry is what operators do to products, devices and groups.
type Registry interface {
	Watch
	Products
	Devices
	Intake
	Previews
	Groups
	Commands
	Messages
}

// OTA is what operators do about firmware.
type OTA interface {
	Images
	Releases
	Updates
}

// Access turns proofs into actors.
type Access interface {
	// SignIn checks a password and makes a token; secret is shown this once. Errors are
	// Unauthenticated, and Busy after too many failed proofs.
	SignIn(ctx context.Context, proof fleet.SignIn) (secret string, token fleet.Token, err error)
	// Actor is who holds the token with this secret, with the rights of this moment.
	Actor(ctx context.Context, secret string) (fleet.Actor, error)
	// SignOut ends the token with this secret.
	SignOut(ctx context.Context, actor fleet.Actor, secret string) error
	// ChangePassword is of the actor's own account; it ends their other tokens.
	ChangePassword(ctx context.Context, actor fleet.Actor, p fleet.NewPassword) error
}

// Teams is the account.
type Teams interface {
	Account(ctx context.Context, actor fleet.Actor) (fleet.Account, error)
	Teams(ctx context.Context, actor fleet.Actor) ([]fleet.Account, error)
	CreateTeam(ctx context.Context, actor fleet.Actor, name string) (fleet.Team, error)
	RenameTeam(ctx context.Context, actor fleet.Actor, edit fleet.TeamEdit) (fleet.Team, error)
	DeleteTeam(ctx context.Context, actor fleet.Actor) error
	// HandOver makes a member the owner in the actor's place.
	HandOver(ctx context.Context, actor fleet.Actor, email string) error
	// LeaveTeam ends the actor's own membership; the owner can't.
	LeaveTeam(ctx context.Context, actor fleet.Actor) error
}

// Members are who is in the actor's team. Groups are names; "*" stands for all.
type Members interface {
	Members(ctx context.Context, actor fleet.Actor) ([]fleet.Member, error)
	AddUser(ctx context.Context, actor fleet.Actor, email, password string, role fleet.Role, groups []string) (fleet.Member, error)
	EditMember(ctx context.Context, actor fleet.Actor, email string, role *fleet.Role, groups *[]string) (fleet.Member, error)
	// RemoveMember takes an invitation back as well.
	RemoveMember(ctx context.Context, actor fleet.Actor, email string) error
	AddProgram(ctx context.Context, actor fleet.Actor, name string, role fleet.Role, groups []string, lifetime time.Duration) (m fleet.Member, secret string, t fleet.Token, err error)
	RotateProgram(ctx context.Context, actor fleet.Actor, email string, lifetime time.Duration) (m fleet.Member, secret string, t fleet.Token, err error)
}

// Invitations offer people a place in the actor's team.
type Invitations interface {
	Invite(ctx context.Context, actor fleet.Actor, email string, role fleet.Role, groups []string) (secret string, i fleet.Invitation, err error)
	Invitations(ctx context.Context, actor fleet.Actor) ([]fleet.Invitation, error)
	Accept(ctx context.Context, a fleet.Acceptance) (secret string, t fleet.Token, err error)
}

// Tokens let programs act as a user.
type Tokens interface {
	Tokens(ctx context.Context, actor fleet.Actor) ([]fleet.Token, error)
	TokensOf(ctx context.Context, actor fleet.Actor, email string) ([]fleet.Token, error)
	NewToken(ctx context.Context, actor fleet.Actor, label string, lifetime time.Duration) (secret string, t fleet.Token, err error)
	RevokeToken(ctx context.Context, actor fleet.Actor, id string) error
}

// Watch is what happened and what happens.
type Watch interface {
	AuditLog(ctx context.Context, actor fleet.Actor, q fleet.AuditQuery) (entries []fleet.AuditEntry, next string, err error)
	// Hear is an event as the actor hears it at this moment, and whether they do.
	Hear(ctx context.Context, actor fleet.Actor, e fleet.Event) (v fleet.EventView, heard bool, err error)
}

// Products are kinds of device. One is named by its id or its slug.
type Products interface {
	Products(ctx context.Context, actor fleet.Actor) ([]fleet.Product, error)
	Product(ctx context.Context, actor fleet.Actor, idOrSlug string) (fleet.Product, error)
	CreateProduct(ctx context.Context, actor fleet.Actor, p fleet.Product) (fleet.Product, error)
	EditProduct(ctx context.Context, actor fleet.Actor, id fleet.ProductID, edit fleet.ProductEdit) (fleet.Product, error)
	DeleteProduct(ctx context.Context, actor fleet.Actor, id fleet.ProductID) error
}

// Devices are the units. A product of 0 stands for any.
type Devices interface {
	Devices(ctx context.Context, actor fleet.Actor, q fleet.DeviceQuery) (fleet.DeviceViews, error)
	Device(ctx context.Context, actor fleet.Actor, product fleet.ProductID, id fleet.DeviceID) (fleet.DeviceView, error)
	EditDevice(ctx context.Context, actor fleet.Actor, product fleet.ProductID, id fleet.DeviceID, edit fleet.DeviceEdit) (fleet.DeviceView, error)
	DeleteDevice(ctx context.Context, actor fleet.Actor, product fleet.ProductID, id fleet.DeviceID) error
	FlashDevice(ctx context.Context, actor fleet.Actor, product fleet.ProductID, id fleet.DeviceID, v fleet.Version) error
}

// Intake brings devices in and moves many at once.
type Intake interface {
	Import(ctx context.Context, actor fleet.Actor, order fleet.Import) (fleet.Imported, error)
	RotateSecret(ctx context.Context, actor fleet.Actor, id fleet.DeviceID) (secret string, err error)
	EditGroups(ctx context.Context, actor fleet.Actor, edit fleet.GroupsEdit) error
	EditDevices(ctx context.Context, actor fleet.Actor, edit fleet.DevicesEdit) error
}

// Previews say what a write would do to the fleet, to who may do the write.
type Previews interface {
	PreviewDevice(ctx context.Context, actor fleet.Actor, product fleet.ProductID, id fleet.DeviceID, edit fleet.DeviceEdit) (fleet.Impact, error)
	PreviewGroups(ctx context.Context, actor fleet.Actor, edit fleet.GroupsEdit) (fleet.Impact, error)
	PreviewDevices(ctx context.Context, actor fleet.Actor, edit fleet.DevicesEdit) (fleet.Impact, error)
	PreviewDelete(ctx context.Context, actor fleet.Actor, product fleet.ProductID, id fleet.DeviceID) (fleet.Impact, error)
	PreviewDeleteGroup(ctx context.Context, actor fleet.Actor, product fleet.ProductID, name string) (fleet.Impact, error)
}

// Groups are subsets of devices. A product of 0 stands for the team.
type Groups interface {
	// GroupNames is the names of the groups the actor may see.
	GroupNames(ctx context.Context, actor fleet.Actor, product fleet.ProductID) (map[fleet.GroupID]string, error)
	Groups(ctx context.Context, actor fleet.Actor, product fleet.ProductID) ([]fleet.GroupView, error)
	Group(ctx context.Context, actor fleet.Actor, product fleet.ProductID, name string) (fleet.GroupView, error)
	CreateGroup(ctx context.Context, actor fleet.Actor, g fleet.Group) (fleet.GroupView, error)
	EditGroup(ctx context.Context, actor fleet.Actor, product fleet.ProductID, name string, edit fleet.GroupEdit) (fleet.GroupView, error)
	DeleteGroup(ctx context.Context, actor fleet.Actor, product fleet.ProductID, name string) error
}

// Commands go down to devices.
type Commands interface {
	// Command queues payload for a device until it answered or ttl ran out; 0 is the default.
	Command(ctx context.Context, actor fleet.Actor, id fleet.DeviceID, name string, payload []byte, ttl time.Duration) (fleet.Command, error)
	Commands(ctx context.Context, actor fleet.Actor, id fleet.DeviceID) ([]fleet.Command, error)
}

// Messages came up from devices.
type Messages interface {
	Messages(ctx context.Context, actor fleet.Actor, q fleet.MessageQuery) (messages []fleet.Message, next string, err error)
	Alerts(ctx context.Context, actor fleet.Actor, q fleet.AlertQuery) (alerts []fleet.Alert, next string, err error)
	// Alert is one alert of the actor's team.
	Alert(ctx context.Context, actor fleet.Actor, id string) (fleet.Alert, error)
	ArchiveAlert(ctx context.Context, actor fleet.Actor, id string, archived bool) error
}

// Images are a product's firmware.
type Images interface {
	Begin(ctx context.Context, actor fleet.Actor, product fleet.ProductID) (*release.Upload, error)
	Firmware(ctx context.Context, actor fleet.Actor, product fleet.ProductID) ([]fleet.Released, error)
	EditFirmware(ctx context.Context, actor fleet.Actor, product fleet.ProductID, v fleet.Version, edit fleet.FirmwareEdit) (fleet.Released, error)
	DeleteFirmware(ctx context.Context, actor fleet.Actor, product fleet.ProductID, v fleet.Version) error
	Image(ctx context.Context, actor fleet.Actor, product fleet.ProductID, v fleet.Version) (io.ReadCloser, fleet.Firmware, error)
}

// Releases decide what a product's devices should run.
type Releases interface {
	Release(ctx context.Context, actor fleet.Actor, product fleet.ProductID, order fleet.ReleaseOrder) (fleet.Released, error)
	Impact(ctx context.Context, actor fleet.Actor, product fleet.ProductID, order fleet.ReleaseOrder) (fleet.Impact, error)
	Progress(ctx context.Context, actor fleet.Actor, product fleet.ProductID, v fleet.Version) (fleet.Progress, error)
}

// Updates move one device each.
type Updates interface {
	Why(ctx context.Context, actor fleet.Actor, id fleet.DeviceID) (precedence.Trace, error)
	Updates(ctx context.Context, actor fleet.Actor, q fleet.UpdateQuery) ([]fleet.DeviceUpdate, string, error)
	Stop(ctx context.Context, actor fleet.Actor, id fleet.DeviceID) error
	Retry(ctx context.Context, actor fleet.Actor, id fleet.DeviceID) error
}
