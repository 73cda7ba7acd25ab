package fleet

import "time"

// Role is a user's general right in one team. Each role includes the rights of those below.
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

// Team is the account that owns products, groups, users and devices.
type Team struct {
	ID      TeamID
	Name    string
	Created time.Time
}

// User is a person or a program that signs in. Password is an encoded argon2id hash, ""
// if the user can't sign in by password.
type User struct {
	ID       UserID
	Email    string // lower case, unique in the installation
	Name     string
	Password string
	Created  time.Time
}

// Member is one user's membership in one team.
type Member struct {
	Team   TeamID
	User   UserID
	Email  string
	Role   Role
	Groups []GroupID // sorted; what an editor or viewer sees
	Joined time.Time
	// Program reports that the user is a program, which signs in with a token only.
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
	By      string    // email of the inviter
	Created time.Time
	Expires time.Time
}

// Token lets a program act as one user in one team. Only its hash is stored.
type Token struct {
	ID      string // public part, with which its secret begins
	Hash    [32]byte
	User    UserID
	Team    TeamID
	Label   string
	Created time.Time
	Expires time.Time // zero: never
	Parent  string    // id of the token it was made with, which it never outlives; "": made by a person who signed in to the console, or by a sign-in
	Used    time.Time // when it was last used, to the hour; zero: never
	From    string    // IP address that it was last used from
}

// Message is what a device sent.
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
	Type     uint64 // the device's own number; 0 if Muster raised it
	Name     string // if Muster raised it: update_exhausted, rolled_back, digest_differs ...
	Text     string
	Raised   time.Time
	Archived bool
	Value    string // that the device sent with it, as JSON of at most a few KiB; "": none
}

// Command is what an operator sends to a device; it is kept until answered or expired.
type Command struct {
	Number  uint32 // grows per device
	Device  DeviceID
	Name    string // part of the topic after the number; may be empty
	Payload []byte
	Queued  time.Time
	Expires time.Time
	Done    time.Time // zero until the device answered
	Result  []byte
}
