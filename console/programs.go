package console

import (
	"strconv"
	"time"

	"github.com/muster-iot/muster/fleet"
)

// programsBody is the page of the team's programs.
type programsBody struct {
	Programs []memberRow
	Picker   picker
	Lifetime []int
	New      programToken
	Origin   string
}

func (v teamPages) programsPage() error {
	body, err := v.programsBody()
	if err != nil {
		return err
	}
	body.New = shownOnce[programToken](v.visit)
	return v.show("programs", "Programs", body)
}

func (v teamPages) programsBody() (b programsBody, err error) {
	var groups []fleet.GroupView
	b.Lifetime, b.Origin = lifetimes, v.origin()
	b.Programs, groups, err = v.members(true)
	b.Picker = v.pick(groups, nothing)
	return b, err
}

// programToken is the token just created for a program, shown only once.
type programToken struct{ Of, Secret string }

// addProgram creates a program, or a new token for the one with this email.
func (v teamPages) addProgram() error {
	lifetime, err := v.lifetime()
	if err != nil {
		return err
	}
	if err := v.kept.hasRoom(v.actor, 1); err != nil {
		return err
	}
	var m fleet.Member
	var secret string
	if email := v.text("email"); email != "" {
		m, secret, _, err = v.accounts.RotateProgram(v.ctx(), v.actor, email, lifetime)
	} else {
		role, wrong := fleet.ParseRole(v.text("role"))
		if wrong != nil {
			return wrong
		}
		name := v.text("name")
		if name == "" {
			return fleet.FieldErrorf("name", "enter a name for the program")
		}
		m, secret, _, err = v.accounts.AddProgram(v.ctx(), v.actor, name, role, v.names("group"), lifetime)
	}
	if err != nil {
		return err
	}
	return v.showOnce("/team/programs", programToken{m.Email, secret}, 1)
}

// lifetimes are the lifetimes of tokens to choose from, in days.
var lifetimes = []int{7, 30, 90, 365}

func (v teamPages) lifetime() (time.Duration, error) {
	days, err := strconv.ParseUint(v.text("days"), 10, 16)
	if err != nil || days == 0 {
		return 0, fleet.FieldErrorf("days", "choose the token's lifetime")
	}
	return time.Duration(days) * 24 * time.Hour, nil //nolint:gosec // 16 bits
}
