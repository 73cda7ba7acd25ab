package console

import (
	"slices"
	"strings"

	"github.com/muster-iot/muster/fleet"
)

// teamPages are the pages of the team: members, programs, tokens, settings, the audit log.
type teamPages struct{ *visit }

// teamBody is the page of the members.
type teamBody struct {
	Members []memberRow
	Invited []invitedRow
	Picker  picker
	Self    string // the user's own email
	New     link   // a new invitation, shown only once
}

// memberRow is a member with the names of the groups that the actor sees.
type memberRow struct {
	fleet.Member
	Names  []string
	Denied string // why the actor may not edit them, "" if they may
	Picker picker
}

// invitedRow is an open invitation with the names of the groups that the actor sees.
type invitedRow struct {
	fleet.Invitation
	Names []string
}

// Title returns a program's name, which is the part of its email before the "+".
func (m memberRow) Title() string {
	if name, _, ok := strings.Cut(m.Email, "+"); ok && m.Program {
		return name
	}
	return m.Email
}

// members returns the team's people, or its programs.
func (v teamPages) members(programs bool) (rows []memberRow, groups []fleet.GroupView, err error) {
	if groups, err = v.registry.Groups(v.ctx(), v.actor, 0); err != nil {
		return nil, nil, err
	}
	members, err := v.accounts.Members(v.ctx(), v.actor)
	if err != nil {
		return nil, nil, err
	}
	for _, m := range members {
		if m.Program != programs {
			continue
		}
		row := memberRow{Member: m, Denied: v.mayManage(m.Role), Names: namesOf(groups, m.Groups)}
		row.Picker = v.pick(groups, func(g fleet.GroupView) bool { return slices.Contains(m.Groups, g.ID) })
		rows = append(rows, row)
	}
	return rows, groups, nil
}

// namesOf returns the names of the groups with these ids.
func namesOf(groups []fleet.GroupView, ids []fleet.GroupID) (names []string) {
	for _, g := range groups {
		if slices.Contains(ids, g.ID) {
			names = append(names, g.Name)
		}
	}
	return names
}

func (v teamPages) teamPage() error {
	b := teamBody{Self: v.actor.Email}
	members, groups, err := v.members(false)
	if err != nil {
		return err
	}
	b.Members, b.Picker, b.New = members, v.pick(groups, nothing), shownOnce[link](v.visit)
	if v.may(fleet.ManageUsers) == nil {
		invitations, err := v.accounts.Invitations(v.ctx(), v.actor)
		if err != nil {
			return err
		}
		for _, i := range invitations {
			b.Invited = append(b.Invited, invitedRow{i, namesOf(groups, i.Groups)})
		}
	}
	return v.show("team", "Members", b)
}

// mayManage returns why the actor may not edit a member of this role, "" if they may.
func (v teamPages) mayManage(role fleet.Role) string {
	switch {
	case role == fleet.Owner:
		return "The owner can't be edited: hand the team over first."
	case role == fleet.Admin:
		return sentence(v.may(fleet.ManageAdmins))
	}
	return sentence(v.may(fleet.ManageUsers))
}

// invitationPage is the page of the API that accepts invitations. The secret is in the fragment,
// which browsers don't send.
const invitationPage = "/v1/invitation"

// addMember creates an account with a password, or an invitation link without one.
func (v teamPages) addMember() error {
	role, err := fleet.ParseRole(v.text("role"))
	if err != nil {
		return err
	}
	if v.r.PostFormValue("password") == "" {
		return v.invite(role)
	}
	m, err := v.accounts.AddUser(v.ctx(), v.actor, v.text("email"), v.r.PostFormValue("password"), role, v.names("group"))
	return v.after(err, "/team", "Added "+m.Email+". Send them the password over a secure channel.")
}

// invite shows the link once: it is not stored.
func (v teamPages) invite(role fleet.Role) error {
	if err := v.kept.hasRoom(v.actor, 1); err != nil {
		return err
	}
	secret, i, err := v.accounts.Invite(v.ctx(), v.actor, v.text("email"), role, v.names("group"))
	if err != nil {
		return err
	}
	l := link{Email: i.Email, URL: v.origin() + invitationPage + "#" + secret}
	l.Mailed = v.config.Notify.Invite(v.ctx(), v.actor, i, l.URL)
	return v.showOnce("/team", l, 1)
}

// origin is the scheme and host of the request.
func (v *visit) origin() string {
	if v.secure() {
		return "https://" + v.r.Host
	}
	return "http://" + v.r.Host
}

// link is a new invitation.
type link struct {
	Email, URL string
	Mailed     bool // to the person, too
}

// editMember edits a person or a program and redirects to their list.
func (v teamPages) editMember() error {
	email, back := v.text("email"), "/team"
	if v.text("program") != "" {
		back = "/team/programs"
	}
	if v.text("act") == "remove" {
		return v.after(v.accounts.RemoveMember(v.ctx(), v.actor, email), back, "Removed "+email+" from the team.")
	}
	role, err := fleet.ParseRole(v.text("role"))
	if err != nil {
		return err
	}
	groups := v.names("group")
	_, err = v.accounts.EditMember(v.ctx(), v.actor, email, &role, &groups)
	return v.after(err, back, "Saved "+email+".")
}
