package console

import (
	"strconv"
	"time"

	"github.com/muster-iot/muster/fleet"
)

// teamBody is the page of the team and of one's own tokens.
type teamBody struct {
	Members  []memberRow
	Invited  []fleet.Invitation
	Groups   []fleet.GroupView
	Tokens   []fleet.Token
	Secret   string // of a token just made, shown this once
	Self     string // one's own email
	Lifetime []int  // days to choose from
}

// memberRow is a member with the groups the actor sees by name.
type memberRow struct {
	fleet.Member
	Names  []string
	Denied string // why the actor may not change them, "" when they may
}

// Holds reports whether the member holds the group.
func (m memberRow) Holds(g fleet.GroupID) bool { return containsGroup(m.Groups, g) }

func (v *visit) teamPage() error {
	body, err := v.teamBody()
	if err != nil {
		return err
	}
	return v.show("team", "Team", body)
}

func (v *visit) teamBody() (b teamBody, err error) {
	b.Self, b.Lifetime = v.actor.Email, []int{7, 30, 90, 365}
	if b.Groups, err = v.registry.Groups(v.ctx(), v.actor, 0); err != nil {
		return b, err
	}
	members, err := v.registry.Members(v.ctx(), v.actor)
	if err != nil {
		return b, err
	}
	for _, m := range members {
		row := memberRow{Member: m, Denied: v.mayManage(m.Role)}
		for _, g := range b.Groups {
			if row.Holds(g.ID) {
				row.Names = append(row.Names, g.Name)
			}
		}
		b.Members = append(b.Members, row)
	}
	if v.may(fleet.ManageUsers) == nil {
		if b.Invited, err = v.registry.Invitations(v.ctx(), v.actor); err != nil {
			return b, err
		}
	}
	b.Tokens, err = v.registry.Tokens(v.ctx(), v.actor)
	return b, err
}

// mayManage says why the actor may not change a member of this role, "" when they may.
func (v *visit) mayManage(role fleet.Role) string {
	switch {
	case role == fleet.Owner:
		return "The owner's part in the team is not edited."
	case role == fleet.Admin:
		return sentence(v.may(fleet.ManageAdmins))
	}
	return sentence(v.may(fleet.ManageUsers))
}

// invitationPage is where the API lets a person accept an invitation; its secret is in the
// fragment, which browsers don't send.
const invitationPage = "/v1/invitation"

// addMember makes an account with a password, or a link to pass on where there is none.
func (v *visit) addMember() error {
	role, err := fleet.ParseRole(v.text("role"))
	if err != nil {
		return err
	}
	if v.r.PostFormValue("password") == "" {
		return v.invite(role)
	}
	m, err := v.registry.AddUser(v.ctx(), v.actor, v.text("email"), v.r.PostFormValue("password"), role, v.r.Form["group"])
	return v.after(err, "/team", "Added "+m.Email+". Pass the password on by a safe way.")
}

// invite answers with the link on the page itself: it is kept nowhere.
func (v *visit) invite(role fleet.Role) error {
	secret, i, err := v.registry.Invite(v.ctx(), v.actor, v.text("email"), role, v.r.Form["group"])
	if err != nil {
		return err
	}
	scheme := "http://"
	if v.secure() {
		scheme = "https://"
	}
	return v.fragmentOf("team", "invited", link{i.Email, scheme + v.r.Host + invitationPage + "#" + secret})
}

// link is a fresh invitation.
type link struct{ Email, URL string }

func (v *visit) editMember() error {
	email := v.text("email")
	if v.text("act") == "remove" {
		return v.after(v.registry.RemoveMember(v.ctx(), v.actor, email), "/team", "Removed "+email+" from the team.")
	}
	role, err := fleet.ParseRole(v.text("role"))
	if err != nil {
		return err
	}
	groups := append([]string{}, v.r.Form["group"]...)
	_, err = v.registry.EditMember(v.ctx(), v.actor, email, &role, &groups)
	return v.after(err, "/team", "Saved "+email+".")
}

func (v *visit) newToken() error {
	days, err := strconv.ParseUint(v.text("days"), 10, 16)
	if err != nil {
		return fleet.FieldErrorf("days", "choose how long the token lives")
	}
	secret, _, err := v.registry.NewToken(v.ctx(), v.actor, v.text("label"), time.Duration(days)*24*time.Hour) //nolint:gosec // 16 bits
	if err != nil {
		return err
	}
	body, err := v.teamBody()
	if err != nil {
		return err
	}
	body.Secret = secret
	return v.show("team", "Team", body)
}

func (v *visit) revokeToken() error {
	return v.after(v.registry.RevokeToken(v.ctx(), v.actor, v.text("id")), "/team", "Revoked.")
}
