package fleet

import "time"

// Role is a user's general right in one team. A higher role may all a lower one may.
type Role uint8

// The roles.
const (
	NoRole Role = iota
	Viewer
	Editor
	Admin
	Owner
)

var roles = [...]string{"", "viewer", "editor", "admin", "owner"}

func (r Role) String() string { return roles[r] }

// ParseRole is the inverse of String. Errors are Invalid.
func ParseRole(s string) (Role, error) {
	for i, name := range roles {
		if i > 0 && name == s {
			return Role(i), nil
		}
	}
	return NoRole, FieldErrorf("role", "role %.40q: use one of owner, admin, editor, viewer", s)
}

// Restricted reports whether groups limit what r sees.
func (r Role) Restricted() bool { return r < Admin }

// Team is the account: it owns products, groups, users and devices.
type Team struct {
	ID      TeamID
	Name    string
	Created time.Time
}

// User is a person or a program that signs in. Password is an encoded argon2id hash, ""
// for one who can't sign in by password.
type User struct {
	ID       UserID
	Email    string // lower case, unique in the installation
	Name     string
	Password string
	Created  time.Time
}

// Member is one user's part in one team.
type Member struct {
	Team   TeamID
	User   UserID
	Email  string
	Role   Role
	Groups []GroupID // sorted; what an editor or viewer may see
	Joined time.Time
	// Program says that the user is one: no person, it signs in by token alone.
	Program bool
}

// Invitation offers a person a place in a team, once. Only the hash of its secret is kept.
type Invitation struct {
	ID      string // public part of the secret
	Team    TeamID
	Email   string // lower case
	Hash    [32]byte
	Role    Role
	Groups  []GroupID // sorted
	By      string    // email of who invited
	Created time.Time
	Expires time.Time
}

// Token lets a program act as one user in one team. Only its hash is stored.
type Token struct {
	ID      string // public part, also its prefix
	Hash    [32]byte
	User    UserID
	Team    TeamID
	Label   string
	Created time.Time
	Expires time.Time // zero: never
}

// Message is what a device sent, or what was sent to it.
type Message struct {
	Cursor   string // position in its team's messages; grows
	Team     TeamID
	Device   DeviceID
	Topic    string
	Payload  []byte
	Received time.Time
}

// Alert is something a person should look at, raised by a device or by Muster.
type Alert struct {
	ID       string
	Team     TeamID
	Device   DeviceID
	Type     uint64 // the device's own number; 0 when Muster raised it
	Name     string // Muster's word: update_exhausted, rolled_back, digest_differs ...
	Text     string
	Raised   time.Time
	Archived bool
}

// Command is what an operator sends to a device; it is kept until done or expired.
type Command struct {
	Number  uint32 // grows per device
	Device  DeviceID
	Name    string // what follows the number in the topic; may be empty
	Payload []byte
	Queued  time.Time
	Expires time.Time
	Done    time.Time // zero until the device answered
	Result  []byte
}
