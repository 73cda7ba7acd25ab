package console

import (
	"net/url"

	"github.com/muster-iot/muster/fleet"
)

// settingsBody is the page of the team's settings.
type settingsBody struct {
	Heirs []fleet.Member // members who can become the owner
}

func (v teamPages) settingsPage() error {
	members, err := v.accounts.Members(v.ctx(), v.actor)
	if err != nil {
		return err
	}
	var b settingsBody
	for _, m := range members {
		if m.User != v.actor.User && !m.Program {
			b.Heirs = append(b.Heirs, m)
		}
	}
	return v.show("settings", "Team settings", b)
}

func (v teamPages) editTeam() error {
	const here = "/team/settings"
	switch v.text("act") {
	case "rename":
		t, err := v.accounts.RenameTeam(v.ctx(), v.actor, fleet.TeamEdit{Name: v.text("name"), If: v.seen()})
		return v.after(err, here, "Renamed the team to "+t.Name+".")
	case "create":
		t, err := v.accounts.CreateTeam(v.ctx(), v.actor, v.text("name"))
		if err != nil {
			return err
		}
		return v.after(v.switchTo(t.ID), "/", "Created "+t.Name+" and switched to it.")
	case "hand-over":
		email := v.text("email")
		if email == "" {
			return fleet.FieldErrorf("email", "choose the new owner")
		}
		return v.after(v.accounts.HandOver(v.ctx(), v.actor, email), here, email+" owns the team now; you are an admin.")
	case "delete":
		return v.deleteTeam()
	}
	return fleet.Errorf(fleet.Invalid, "unknown action: use a button on the page")
}

// deleteTeam requires the team's name, because a deleted team can't be restored.
func (v teamPages) deleteTeam() error {
	account, err := v.accounts.Account(v.ctx(), v.actor)
	if err != nil {
		return err
	}
	if v.text("name") != account.Team.Name {
		return fleet.FieldErrorf("name", "type the team's name, %s, to delete it", account.Team.Name)
	}
	if err := v.accounts.DeleteTeam(v.ctx(), v.actor); err != nil {
		return err
	}
	return v.done("/sign-in", "Deleted the team "+account.Team.Name+".")
}

func (v teamPages) tokensOf(email string) string { return "/team/tokens?of=" + url.QueryEscape(email) }
