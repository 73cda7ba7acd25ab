package store

import (
	"maps"
	"strconv"
	"strings"

	"github.com/muster-iot/muster/fleet"
)

// account is a user with the teams they are in and the tokens they hold. The teams are
// what the user's side says: the roster has the last word.
type account struct {
	revision uint64
	user     fleet.User
	teams    map[fleet.TeamID]bool
	tokens   map[string]bool
}

// accountKind has the fields "user", "t:<team>", "k:<token>".
var accountKind = kind[account]{
	name: "user",
	clone: func(a *account) *account {
		n := *a
		n.teams = maps.Clone(a.teams)
		n.tokens = maps.Clone(a.tokens)
		return &n
	},
	fields: func(a *account) map[string]string {
		fields := map[string]string{"user": packUser(&a.user)}
		for id := range a.teams {
			fields["t:"+id.String()] = "1"
		}
		for id := range a.tokens {
			fields["k:"+id] = "1"
		}
		return fields
	},
	parse:    parseAccount,
	revision: func(a *account) *uint64 { return &a.revision },
}

func newAccount() *account {
	return &account{teams: map[fleet.TeamID]bool{}, tokens: map[string]bool{}}
}

func parseAccount(fields map[string]string) (*account, error) {
	a := newAccount()
	for field, value := range fields {
		var err error
		switch prefix, rest, _ := strings.Cut(field, ":"); prefix {
		case "user":
			a.user, err = unpackUser(value)
		case "t":
			var id uint64
			id, err = strconv.ParseUint(rest, 10, 32)
			a.teams[fleet.TeamID(id)] = true
		case "k":
			a.tokens[rest] = true
		}
		if err != nil {
			return nil, err
		}
	}
	return a, nil
}

func packUser(u *fleet.User) string {
	var w packer
	w.number(1, uint64(u.ID))
	w.text(2, u.Email)
	w.text(3, u.Name)
	w.text(4, u.Password)
	w.time(5, u.Created)
	return w.String()
}

func unpackUser(record string) (u fleet.User, err error) {
	err = unpack(record, func(tag byte, v packed) {
		switch tag {
		case 1:
			u.ID = fleet.UserID(v.number())
		case 2:
			u.Email = string(v)
		case 3:
			u.Name = string(v)
		case 4:
			u.Password = string(v)
		case 5:
			u.Created = v.time()
		}
	})
	return u, err
}

func packToken(t *fleet.Token) string {
	var w packer
	w.text(1, t.ID)
	if t.Hash != [32]byte{} {
		w.bytes(2, t.Hash[:])
	}
	w.number(3, uint64(t.User))
	w.number(4, uint64(t.Team))
	w.text(5, t.Label)
	w.time(6, t.Created)
	w.time(7, t.Expires)
	return w.String()
}

func unpackToken(record string) (t fleet.Token, err error) {
	err = unpack(record, func(tag byte, v packed) {
		switch tag {
		case 1:
			t.ID = string(v)
		case 2:
			copy(t.Hash[:], v)
		case 3:
			t.User = fleet.UserID(v.number())
		case 4:
			t.Team = fleet.TeamID(v.number())
		case 5:
			t.Label = string(v)
		case 6:
			t.Created = v.time()
		case 7:
			t.Expires = v.time()
		}
	})
	return t, err
}
