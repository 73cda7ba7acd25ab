package registry

import (
	"context"

	"github.com/muster-iot/muster/fleet"
)

// Devices is where device records live.
type Devices interface {
	// Device loads a record; fleet.NotFound when there is none.
	Device(ctx context.Context, id fleet.DeviceID) (fleet.Device, error)
	// Edit changes a record by compare-and-set; change may run several times, and its
	// error leaves the record as it is.
	Edit(ctx context.Context, id fleet.DeviceID, change func(*fleet.Device) error) (fleet.Device, error)
	// CreateMany returns an error for each, nil for those created: fleet.Conflict where the
	// id exists in the installation.
	CreateMany(ctx context.Context, devices []*fleet.Device) []error
	Delete(ctx context.Context, id fleet.DeviceID) error
}

// Index answers questions about all devices without reading their records. Its methods
// return fleet.Unavailable until it is built.
type Index interface {
	Find(q fleet.DeviceQuery) (fleet.DevicePage, error)
	// IDs are what q selects, by id, behind the id q.After; all where q.Limit is 0.
	IDs(q fleet.DeviceQuery) ([]fleet.DeviceID, error)
	Entry(id fleet.DeviceID) (fleet.IndexEntry, error)
	// Count calls visit for devices of a product, 0: of the team, that actor sees, once with
	// their number for those that don't differ in groups, versions and marks.
	Count(actor fleet.Actor, product fleet.ProductID, visit func(e *fleet.IndexEntry, devices int)) error
}

// Catalogs is where products live.
type Catalogs interface {
	Catalog(ctx context.Context, product fleet.ProductID) (*fleet.Catalog, error)
	EditCatalog(ctx context.Context, product fleet.ProductID, change func(*fleet.Catalog) error) (*fleet.Catalog, error)
	CreateProduct(ctx context.Context, p fleet.Product) (fleet.Product, error)
	Products(ctx context.Context, team fleet.TeamID) ([]fleet.Product, error)
	ProductBySlug(ctx context.Context, slug string) (fleet.Product, error)
	DeleteProduct(ctx context.Context, product fleet.ProductID) error
}

// Images is where firmware images lie.
type Images interface {
	Delete(product fleet.ProductID, digest fleet.Digest) error
}

// Teams is where teams, users, tokens and groups live. One facet of the store meets it.
type Teams interface {
	Rosters
	Invitations
	Users
	Tokens
	Groups
}

// Rosters is who is in which team.
type Rosters interface {
	// CreateTeam makes a team with its owner and returns it with its id.
	CreateTeam(ctx context.Context, t fleet.Team, owner fleet.Member) (fleet.Team, error)
	Team(ctx context.Context, id fleet.TeamID) (fleet.Team, error)
	// AllTeams is every team of the installation, oldest first.
	AllTeams(ctx context.Context) ([]fleet.TeamID, error)
	Members(ctx context.Context, team fleet.TeamID) ([]fleet.Member, error)
	Member(ctx context.Context, team fleet.TeamID, user fleet.UserID) (fleet.Member, error)
	// TeamsOf is the user's part in each of their teams, oldest team first.
	TeamsOf(ctx context.Context, user fleet.UserID) ([]fleet.Member, error)
	AddMember(ctx context.Context, m fleet.Member) error
	EditMember(ctx context.Context, team fleet.TeamID, user fleet.UserID, change func(*fleet.Member) error) (fleet.Member, error)
	// EditMembers changes several members in one step.
	EditMembers(ctx context.Context, team fleet.TeamID, change func(map[fleet.UserID]fleet.Member) error) error
	RemoveMember(ctx context.Context, team fleet.TeamID, user fleet.UserID) error
	EditTeam(ctx context.Context, id fleet.TeamID, change func(*fleet.Team) error) (fleet.Team, error)
	// DeleteTeam returns fleet.Conflict while the team has products.
	DeleteTeam(ctx context.Context, id fleet.TeamID) error
}

// Invitations is who is offered a place in which team.
type Invitations interface {
	// Invite ends an earlier invitation of the same email.
	Invite(ctx context.Context, i fleet.Invitation) error
	Invitations(ctx context.Context, team fleet.TeamID) ([]fleet.Invitation, error)
	Uninvite(ctx context.Context, team fleet.TeamID, id string) error
	// AcceptInvitation turns an open one into m's membership, in one step.
	AcceptInvitation(ctx context.Context, id string, m fleet.Member) (fleet.Member, error)
}

// Users is where accounts live.
type Users interface {
	// CreateUser returns the user with its id; fleet.Conflict when the email is taken.
	CreateUser(ctx context.Context, u fleet.User) (fleet.User, error)
	User(ctx context.Context, id fleet.UserID) (fleet.User, error)
	UserByEmail(ctx context.Context, email string) (fleet.User, error)
	EditUser(ctx context.Context, id fleet.UserID, change func(*fleet.User) error) (fleet.User, error)
	// DeleteUser removes a user with their tokens and memberships.
	DeleteUser(ctx context.Context, id fleet.UserID) error
}

// Tokens is where tokens live.
type Tokens interface {
	CreateToken(ctx context.Context, t fleet.Token) error
	Token(ctx context.Context, id string) (fleet.Token, error)
	// Tokens are a user's in a team, 0: in all, newest first.
	Tokens(ctx context.Context, team fleet.TeamID, user fleet.UserID) ([]fleet.Token, error)
	DeleteToken(ctx context.Context, id string) error
}

// Groups is where a team's groups live.
type Groups interface {
	Groups(ctx context.Context, team fleet.TeamID) ([]fleet.Group, error)
	// CreateGroup returns the group with its id; fleet.Conflict when the name is taken.
	CreateGroup(ctx context.Context, g fleet.Group) (fleet.Group, error)
	// EnsureGroups finds groups by name and makes those that are missing, all in one step.
	EnsureGroups(ctx context.Context, team fleet.TeamID, like []fleet.Group) ([]fleet.Group, error)
	EditGroup(ctx context.Context, team fleet.TeamID, id fleet.GroupID, change func(*fleet.Group) error) (fleet.Group, error)
	// DeleteGroup takes devices and users out of the group and ends its releases.
	DeleteGroup(ctx context.Context, team fleet.TeamID, id fleet.GroupID) error
}

// Messages is where what devices sent, and what waits for them, lives.
type Messages interface {
	List(ctx context.Context, q fleet.MessageQuery) (messages []fleet.Message, next string, err error)
	Alerts
	Outbox
}

// Alerts is where alerts live.
type Alerts interface {
	Alerts(ctx context.Context, team fleet.TeamID, device fleet.DeviceID, archived bool, after string, limit int) (alerts []fleet.Alert, next string, err error)
	Alert(ctx context.Context, team fleet.TeamID, id string) (fleet.Alert, error)
	ArchiveAlert(ctx context.Context, team fleet.TeamID, id string, archived bool) error
}

// Outbox is where commands wait.
type Outbox interface {
	// Queue gives c its number; fleet.Busy when too many commands wait already.
	Queue(ctx context.Context, c fleet.Command) (fleet.Command, error)
	// Commands are those that wait and those finished lately, oldest first.
	Commands(ctx context.Context, id fleet.DeviceID) ([]fleet.Command, error)
}

// Forecast says what a change of devices would do to what they should run.
type Forecast interface {
	// Preview looks at devices of product among ids; change is applied to copies.
	Preview(ctx context.Context, actor fleet.Actor, product fleet.ProductID, ids []fleet.DeviceID, change func(*fleet.IndexEntry)) (fleet.Impact, error)
}

// Live is the side of the cloud that holds connections. Its methods return at once and
// may be called for devices that are not connected.
type Live interface {
	// Recheck decides anew for these devices.
	Recheck(ids ...fleet.DeviceID)
	// Kick ends the connection of a device that may not come back as it is.
	Kick(id fleet.DeviceID)
	// Command says that a command waits for the device.
	Command(id fleet.DeviceID)
	// Announce tells an event to whoever listens.
	Announce(e fleet.Event)
}
