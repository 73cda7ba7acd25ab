package api

import "time"

// Acceptance takes the place an invitation offers.
type Acceptance struct {
	Token    string `json:"token" doc:"The invitation's"`
	Password string `json:"password" doc:"The password of your account, or the one for a new account"`
	Name     string `json:"name,omitempty" doc:"Of a new account"`
	Another  bool   `json:"new_account,omitempty" doc:"Create an account although one with your email exists: it is not yours, or you lost its password. Each account has its own teams; the password decides which one you sign in to"`
}

// InvitationToken is the token of an invitation.
type InvitationToken struct {
	Token string `json:"token" doc:"The invitation's"`
}

// Invited is what an invited person is invited to.
type Invited struct {
	Team    string     `json:"team" doc:"Its name"`
	Role    string     `json:"role"`
	Email   string     `json:"email" doc:"Of the invited person"`
	By      string     `json:"invited_by" doc:"Email of the inviter"`
	Expires *time.Time `json:"expires_at"`
}

// Team is a team of the caller's.
type Team struct {
	ID      uint32     `json:"id"`
	Name    string     `json:"name"`
	Role    string     `json:"role,omitempty" doc:"The caller's role in it"`
	Created *time.Time `json:"created_at,omitempty"`
}

// TeamList is the caller's teams, oldest first.
type TeamList struct {
	Teams []Team `json:"teams"`
}

// NewTeam asks for a team.
type NewTeam struct {
	Name string `json:"name"`
}

// NewOwner names a member.
type NewOwner struct {
	Email string `json:"email"`
}

// AuditEntry is one change: who made it, and the values before and after.
type AuditEntry struct {
	ID      string     `json:"id"`
	At      *time.Time `json:"at"`
	Team    uint32     `json:"team"`
	User    uint32     `json:"user" doc:"Number of the user who did it; 0: the server, or someone who was not authenticated"`
	Email   string     `json:"email" doc:"Who did it"`
	Action  string     `json:"action" example:"device.update"`
	Object  string     `json:"object" doc:"Id or name of what it was done to"`
	Product uint32     `json:"product_id,omitempty" doc:"That it concerns; absent for none"`
	Token   string     `json:"token,omitempty" doc:"Id of the token it was done with"`
	From    string     `json:"from,omitempty" doc:"IP address it was done from"`
	Before  Payload    `json:"before" doc:"null: it did not exist"`
	After   Payload    `json:"after" doc:"null: it was deleted"`
	Number  uint64     `json:"number" doc:"In the team's log, from 1; 0: older than the chain"`
	Prev    string     `json:"prev,omitempty" doc:"SHA-256 of the entry before"`
	Hash    string     `json:"hash,omitempty" doc:"SHA-256 of this entry; docs/operations.md says of what"`
}

// AuditHead is the last entry of the audit log, in short.
type AuditHead struct {
	Number uint64 `json:"number" doc:"0: there is none"`
	Hash   string `json:"hash" doc:"SHA-256 of the entry"`
}

// TeamUser is one user of the team, or one who is invited.
type TeamUser struct {
	Email   string     `json:"email"`
	Role    string     `json:"role" enum:"owner,admin,editor,viewer"`
	Groups  []string   `json:"groups" doc:"Names of those of their groups that you may see"`
	Program bool       `json:"program" doc:"True for a program, which signs in with a token"`
	Status  string     `json:"status" enum:"active,invited"`
	Joined  *time.Time `json:"joined_at" doc:"null while invited"`
	Expires *time.Time `json:"expires_at,omitempty" doc:"When an invitation expires"`
}

// TeamUsers holds the users of the team and, for those who may invite, the open invitations.
type TeamUsers struct {
	Users []TeamUser `json:"users"`
}

// NewUser takes someone into the team. Without a password it is an invitation.
type NewUser struct {
	Email    string `json:"email,omitempty"`
	Role     string `json:"role" enum:"admin,editor,viewer"`
	Groups   Names  `json:"groups,omitempty" doc:"Their groups, by name; \"*\" for all that the team has now"`
	Password string `json:"password,omitempty" doc:"For a new account only; absent: the person sets it when accepting the invitation"`
	Name     string `json:"friendly_name,omitempty" doc:"Instead of email: creates a program of this name, with its own token"`
	Lifetime uint32 `json:"expires_in,omitempty" doc:"For a program: seconds its token is valid; absent: one year"`
}

// AddedUser is the result of a NewUser: an account, an invitation or a program.
type AddedUser struct {
	TeamUser
	Invitation *Invitation `json:"invitation,omitempty" doc:"Pass it on to the invited person"`
	Token      *Token      `json:"token,omitempty" doc:"Of a program"`
}

// Invitation is how an invited person takes their place, once.
type Invitation struct {
	Link    string     `json:"link" doc:"A page to accept it at"`
	Token   string     `json:"token" doc:"For POST /v1/invitations/accept. Shown only once"`
	Expires *time.Time `json:"expires_at"`
	Mailed  bool       `json:"mailed" doc:"The server has mailed it to the person"`
}

// UserUpdate changes a user of the team. What is absent stays as it is.
type UserUpdate struct {
	Role   string          `json:"role,omitempty" enum:"admin,editor,viewer"`
	Groups Optional[Names] `json:"groups,omitzero" doc:"All their groups; \"*\" for all that the team has now"`
}
