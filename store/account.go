package store

import (
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/store/document"
	"github.com/muster-iot/muster/store/record"
)

// account is a user with the teams they are in and the tokens they hold. The teams are a hint:
// the roster of a team decides who is a member.
type account struct {
	revision uint64
	user     fleet.User
	teams    map[fleet.TeamID]bool
	tokens   map[string]bool
}

// accountKind has the fields "user", "t:<team>", "k:<token>".
var accountKind = document.Kind[account]{
	Name: "user",
	Clone: func(a *account) *account {
		return &account{revision: a.revision, user: a.user, teams: copied(a.teams), tokens: copied(a.tokens)}
	},
	Fields: func(h *document.Hash, a *account) {
		document.One(h, "user", record.User, &a.user)
		document.Numbered(h, "t:", document.Present{}, a.teams)
		document.Named(h, "k:", document.Present{}, a.tokens)
	},
	Revision: func(a *account) *uint64 { return &a.revision },
}
