package console

import (
	"context"
	"io"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/ota/precedence"
)

// Registry is what operators do to teams, products, devices and groups.
type Registry interface {
	Access
	Team
	Members
	Programs
	Tokens
	Products
	Devices
	Batches
	Groups
	Messages
	Hearing
}

// OTA is what operators do about firmware.
type OTA interface {
	Images
	Releases
	Updates
}

// Access turns proofs into actors.
type Access interface {
	SignIn(ctx context.Context, proof fleet.SignIn) (secret string, token fleet.Token, err error)
	Actor(ctx context.Context, secret string) (fleet.Actor, error)
	SignOut(ctx context.Context, actor fleet.Actor, secret string) error
	LeaveTeam(ctx context.Context, actor fleet.Actor) error
	ChangePassword(ctx context.Context, actor fleet.Actor, p fleet.NewPassword) error
	Account(ctx context.Context, actor fleet.Actor) (fleet.Account, error)
	Teams(ctx context.Context, actor fleet.Actor) ([]fleet.Account, error)
	// Switch turns a session into one in another of the actor's teams.
	Switch(ctx context.Context, actor fleet.Actor, secret string, team fleet.TeamID) (renewed string, token fleet.Token, err error)
}

// Team is the actor's team as a whole.
type Team interface {
	CreateTeam(ctx context.Context, actor fleet.Actor, name string) (fleet.Team, error)
	RenameTeam(ctx context.Context, actor fleet.Actor, edit fleet.TeamEdit) (fleet.Team, error)
	DeleteTeam(ctx context.Context, actor fleet.Actor) error
	HandOver(ctx context.Context, actor fleet.Actor, email string) error
	// AuditLog is a page of who changed what, newest first; a page may be empty and yet
	// not the last.
	AuditLog(ctx context.Context, actor fleet.Actor, q fleet.AuditQuery) (page []fleet.AuditEntry, next string, err error)
}

// Members are who is in the actor's team.
type Members interface {
	Members(ctx context.Context, actor fleet.Actor) ([]fleet.Member, error)
	AddUser(ctx context.Context, actor fleet.Actor, email, password string, role fleet.Role, groups []string) (fleet.Member, error)
	EditMember(ctx context.Context, actor fleet.Actor, email string, role *fleet.Role, groups *[]string) (fleet.Member, error)
	RemoveMember(ctx context.Context, actor fleet.Actor, email string) error
	// Invite offers a place in the team; secret is shown this once.
	Invite(ctx context.Context, actor fleet.Actor, email string, role fleet.Role, groups []string) (secret string, i fleet.Invitation, err error)
	Invitations(ctx context.Context, actor fleet.Actor) ([]fleet.Invitation, error)
}

// Programs are members that sign in by a token alone; secret is shown this once.
type Programs interface {
	AddProgram(ctx context.Context, actor fleet.Actor, name string, role fleet.Role, groups []string, lifetime time.Duration) (m fleet.Member, secret string, t fleet.Token, err error)
	RotateProgram(ctx context.Context, actor fleet.Actor, email string, lifetime time.Duration) (m fleet.Member, secret string, t fleet.Token, err error)
}

// Tokens let programs act as the actor.
type Tokens interface {
	// TokensOf are those of a member, by email.
	TokensOf(ctx context.Context, actor fleet.Actor, email string) ([]fleet.Token, error)
	NewToken(ctx context.Context, actor fleet.Actor, label string, lifetime time.Duration) (secret string, t fleet.Token, err error)
	RevokeToken(ctx context.Context, actor fleet.Actor, id string) error
}

// Products are kinds of device.
type Products interface {
	Products(ctx context.Context, actor fleet.Actor) ([]fleet.Product, error)
	Product(ctx context.Context, actor fleet.Actor, idOrSlug string) (fleet.Product, error)
	CreateProduct(ctx context.Context, actor fleet.Actor, p fleet.Product) (fleet.Product, error)
	EditProduct(ctx context.Context, actor fleet.Actor, id fleet.ProductID, edit fleet.ProductEdit) (fleet.Product, error)
	DeleteProduct(ctx context.Context, actor fleet.Actor, id fleet.ProductID) error
}

// Devices are the units, one at a time.
type Devices interface {
	Devices(ctx context.Context, actor fleet.Actor, q fleet.DeviceQuery) (fleet.DeviceViews, error)
	Device(ctx context.Context, actor fleet.Actor, product fleet.ProductID, id fleet.DeviceID) (fleet.DeviceView, error)
	EditDevice(ctx context.Context, actor fleet.Actor, product fleet.ProductID, id fleet.DeviceID, edit fleet.DeviceEdit) (fleet.DeviceView, error)
	PreviewDevice(ctx context.Context, actor fleet.Actor, product fleet.ProductID, id fleet.DeviceID, edit fleet.DeviceEdit) (fleet.Impact, error)
	DeleteDevice(ctx context.Context, actor fleet.Actor, product fleet.ProductID, id fleet.DeviceID) error
	FlashDevice(ctx context.Context, actor fleet.Actor, product fleet.ProductID, id fleet.DeviceID, v fleet.Version) error
	RotateSecret(ctx context.Context, actor fleet.Actor, id fleet.DeviceID) (secret string, err error)
}

// Batches bring devices in and move many at once.
type Batches interface {
	Import(ctx context.Context, actor fleet.Actor, order fleet.Import) (fleet.Imported, error)
	EditGroups(ctx context.Context, actor fleet.Actor, edit fleet.GroupsEdit) error
	PreviewGroups(ctx context.Context, actor fleet.Actor, edit fleet.GroupsEdit) (fleet.Impact, error)
	// EditGroupsOf changes the next devices of all that q selects, behind the id q.After;
	// next is the id to go on behind, "" when none is left.
	EditGroupsOf(ctx context.Context, actor fleet.Actor, q fleet.DeviceQuery, edit fleet.GroupsEdit) (done int, next string, err error)
	PreviewGroupsOf(ctx context.Context, actor fleet.Actor, q fleet.DeviceQuery, edit fleet.GroupsEdit) (fleet.Impact, error)
}

// Groups are subsets of devices. A product of 0 stands for the team.
type Groups interface {
	Groups(ctx context.Context, actor fleet.Actor, product fleet.ProductID) ([]fleet.GroupView, error)
	Group(ctx context.Context, actor fleet.Actor, product fleet.ProductID, name string) (fleet.GroupView, error)
	CreateGroup(ctx context.Context, actor fleet.Actor, g fleet.Group) (fleet.GroupView, error)
	EditGroup(ctx context.Context, actor fleet.Actor, product fleet.ProductID, name string, edit fleet.GroupEdit) (fleet.GroupView, error)
	DeleteGroup(ctx context.Context, actor fleet.Actor, product fleet.ProductID, name string) error
	PreviewDeleteGroup(ctx context.Context, actor fleet.Actor, product fleet.ProductID, name string) (fleet.Impact, error)
}

// Messages came up from devices, commands go down to them.
type Messages interface {
	Messages(ctx context.Context, actor fleet.Actor, q fleet.MessageQuery) (messages []fleet.Message, next string, err error)
	Alerts(ctx context.Context, actor fleet.Actor, q fleet.AlertQuery) (alerts []fleet.Alert, next string, err error)
	ArchiveAlert(ctx context.Context, actor fleet.Actor, id string, archived bool) error
	Command(ctx context.Context, actor fleet.Actor, id fleet.DeviceID, name string, payload []byte, ttl time.Duration) (fleet.Command, error)
	Commands(ctx context.Context, actor fleet.Actor, id fleet.DeviceID) ([]fleet.Command, error)
}

// Hearing decides what an actor hears of what happens.
type Hearing interface {
	// Hear is e as actor hears it at this moment, and whether they hear it at all.
	Hear(ctx context.Context, actor fleet.Actor, e fleet.Event) (v fleet.EventView, hears bool, err error)
}

// Live is what happens, as it happens.
type Live interface {
	// Listen returns the events of a team from now on. The channel is closed when the server
	// ends; leave is to be called in any case, and only once.
	Listen(team fleet.TeamID) (heard <-chan fleet.Event, leave func())
	// Tally is what was counted of a product since the server began; nobody's rights are asked.
	Tally(product fleet.ProductID) fleet.Tally
}

// Images are a product's firmware.
type Images interface {
	Upload(ctx context.Context, actor fleet.Actor, f fleet.Firmware, image io.Reader) (fleet.Firmware, error)
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
	Standing(ctx context.Context, actor fleet.Actor, product fleet.ProductID) (fleet.Standing, error)
	Stop(ctx context.Context, actor fleet.Actor, id fleet.DeviceID) error
	Retry(ctx context.Context, actor fleet.Actor, id fleet.DeviceID) error
}
