package rest

import (
	"context"
	_ "embed"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/api/route"
	"github.com/muster-iot/muster/audit/chain"
	"github.com/muster-iot/muster/fleet"
)

func (a *API) teams() route.Table {
	const all, one, users, user = "/v1/teams", "/v1/team", "/v1/team/users", "/v1/team/users/{email}"
	return route.Table{Tag: "team", Routes: []route.Route{
		route.Get("ListTeams", all, "Teams I am a member of", route.Needs(fleet.SeeTeam), a.listTeams),
		route.Post("CreateTeam", all, "Create another team, as its owner", route.Needs(fleet.OwnTeam), a.createTeam).
			Created().Example(`{"name":"Acme"}`),
		route.Get("GetTeam", one, "The team this token is for", route.Needs(fleet.SeeTeam), a.getTeam),
		route.Put("UpdateTeam", one, "Rename the team", route.Needs(fleet.OwnTeam), a.updateTeam).
			Fails(http.StatusPreconditionFailed).Example(`{"name":"Acme"}`),
		route.Delete("DeleteTeam", one, "Delete the team, which must have no products", route.Needs(fleet.OwnTeam), a.deleteTeam).
			Fails(http.StatusConflict),
		route.Put("HandOverTeam", one+"/owner", "Make a member the owner; you become an admin", route.Needs(fleet.OwnTeam), a.handOver).
			Fails(http.StatusNotFound, http.StatusConflict).Example(`{"email":"ada@example.com"}`),
		route.Post("LeaveTeam", one+"/leave", "Leave the team; my tokens for it are revoked", route.Needs(fleet.SeeTeam), a.leaveTeam).
			Fails(http.StatusConflict),
		route.Get("ListAudit", one+"/audit", "Every write, newest first", route.Needs(fleet.SeeAudit), a.listAudit),
		route.Get("GetAuditHead", one+"/audit/head", "Number and hash of the newest entry: note them elsewhere to prove later that the log was not changed", route.Needs(fleet.SeeAudit), a.auditHead),

		route.Get("ListTeamUsers", users, "Users of the team, and open invitations", route.Needs(fleet.SeeTeam), a.listUsers),
		route.Post("AddTeamUser", users, "Invite a person, create an account, or create a program", route.Needs(fleet.ManageUsers), a.addTeamUser).
			Created().Fails(http.StatusConflict).Example(`{"email":"ada@example.com","role":"editor","groups":["beta"]}`),
		route.Get("GetTeamUser", user, "One user", route.Needs(fleet.SeeTeam), a.getUser),
		route.Put("UpdateTeamUser", user, "Set role and groups", route.Needs(fleet.ManageUsers), a.updateTeamUser).
			Fails(http.StatusConflict).Example(`{"role":"viewer","groups":"*"}`),
		route.Delete("RemoveTeamUser", user, "Remove a user, or revoke an invitation", route.Needs(fleet.ManageUsers), a.removeUser).
			Fails(http.StatusConflict),
		route.Put("RotateTeamUserToken", user+"/token", "Revoke a program's token and create a new one", route.Needs(fleet.ManageUsers), a.rotateProgram).
			Fails(http.StatusConflict).Example(`{"expires_in":31536000}`),

		route.Post("AcceptInvitation", "/v1/invitations/accept", "Accept an invitation, and sign in", route.Public, a.accept).
			Fails(http.StatusUnauthorized, http.StatusConflict, http.StatusTooManyRequests).
			Example(`{"token":"msi_1_0f3a...","password":"correct horse battery staple"}`),
		route.Post("ShowInvitation", "/v1/invitations/show", "What an invitation is to", route.Public, a.showInvitation).
			Fails(http.StatusUnauthorized, http.StatusTooManyRequests).Example(`{"token":"msi_1_0f3a..."}`),
		route.Get("InvitationPage", invitationPage, "A page to accept an invitation at", route.Public, showInvitationPage),
	}}
}

func (a *API) listTeams(ctx context.Context, who fleet.Actor, _ *struct{}) (*route.Reply[api.TeamList], error) {
	accounts, err := a.Accounts.Teams(ctx, who)
	out := api.TeamList{Teams: []api.Team{}}
	for _, mine := range accounts {
		out.Teams = append(out.Teams, shownTeam(mine.Team, mine.Role))
	}
	return route.Answer(out, err)
}

func (a *API) createTeam(ctx context.Context, who fleet.Actor, in *struct{ route.Input[api.NewTeam] }) (*route.Reply[api.Team], error) {
	t, err := a.Accounts.CreateTeam(ctx, who, in.In.Name)
	return route.Answer(shownTeam(t, fleet.Owner), err)
}

func (a *API) getTeam(ctx context.Context, who fleet.Actor, _ *struct{}) (*route.Tagged[api.Team], error) {
	mine, err := a.Accounts.Account(ctx, who)
	return route.AnswerTagged(mine.Team.Tag(), shownTeam(mine.Team, mine.Role), err)
}

func (a *API) updateTeam(ctx context.Context, who fleet.Actor, in *struct {
	route.IfMatch
	route.Input[api.NewTeam]
}) (*route.Tagged[api.Team], error) {
	t, err := a.Accounts.RenameTeam(ctx, who, fleet.TeamEdit{Name: in.In.Name, If: in.Seen})
	return route.AnswerTagged(t.Tag(), shownTeam(t, who.Role), err)
}

func (a *API) deleteTeam(ctx context.Context, who fleet.Actor, _ *struct{}) (*route.None, error) {
	return nil, a.Accounts.DeleteTeam(ctx, who)
}

// handOverInput names the new owner.
type handOverInput struct {
	route.Input[api.NewOwner]
}

// See looks the new owner up.
func (in *handOverInput) See(ctx context.Context, a *API, who fleet.Actor) error {
	_, err := a.teamUser(ctx, who, in.In.Email)
	return route.About(err, "", "email")
}

func (a *API) handOver(ctx context.Context, who fleet.Actor, in *handOverInput) (*route.None, error) {
	return nil, route.About(a.Accounts.HandOver(ctx, who, in.In.Email), "", "email")
}

func (a *API) leaveTeam(ctx context.Context, who fleet.Actor, _ *struct{}) (*route.None, error) {
	return nil, a.Accounts.LeaveTeam(ctx, who)
}

func shownTeam(t fleet.Team, role fleet.Role) api.Team {
	return api.Team{ID: uint32(t.ID), Name: t.Name, Role: role.String(), Created: Moment(t.Created)}
}

func (a *API) listAudit(ctx context.Context, who fleet.Actor, in *struct {
	route.Cursors
	AuditQuery
}) (*route.Reply[api.Page[api.AuditEntry]], error) {
	q := in.Query()
	q.After, q.Limit = in.PageNextToken, in.PageLimit
	entries, next, err := a.Audit.Page(ctx, who, q)
	shown := make([]api.AuditEntry, 0, len(entries))
	for i := range entries {
		shown = append(shown, ShownAudit(&entries[i]))
	}
	return route.Answer(api.PageOf(shown, next), err)
}

func (a *API) auditHead(ctx context.Context, who fleet.Actor, _ *struct{}) (*route.Reply[api.AuditHead], error) {
	head, err := a.Audit.Head(ctx, who)
	return route.Answer(api.AuditHead{Number: head.Number, Hash: head.Digest.String()}, err)
}

// ShownAudit is an entry of the audit log.
func ShownAudit(e *fleet.AuditEntry) api.AuditEntry {
	out := api.AuditEntry{
		ID: e.Cursor, At: Moment(e.At), Team: uint32(e.Team), User: uint32(e.User), Email: e.Email, Action: e.Action, Object: e.Object, Product: uint32(e.Product),
		Token: e.Token, From: e.From, Before: orNull(e.Before), After: orNull(e.After), Number: e.Number,
	}
	if e.Number > 0 {
		out.Prev, out.Hash = e.Prev.String(), chain.Digest(e).String()
	}
	return out
}

func orNull(text string) api.Payload {
	if text == "" {
		return api.Payload("null")
	}
	return api.Payload(text)
}

// invitationPage is where the link of an invitation leads. The secret is in the fragment,
// which browsers don't send: no server logs it.
const invitationPage = "/v1/invitation"

//go:embed pages/invitation.html
var invitationHTML []byte

func showInvitationPage(context.Context, fleet.Actor, *struct{}) (*huma.StreamResponse, error) {
	return route.HTML(invitationHTML, "script-src 'unsafe-inline'; connect-src 'self'"), nil
}

func (a *API) showInvitation(ctx context.Context, _ fleet.Actor, in *struct {
	route.Input[api.InvitationToken]
	route.Peer
}) (*route.Reply[api.Invited], error) {
	i, team, err := a.Accounts.Invited(ctx, in.In.Token, in.Address)
	return route.Answer(api.Invited{Team: team.Name, Role: i.Role.String(), Email: i.Email, By: i.By, Expires: Moment(i.Expires)}, err)
}

func (a *API) accept(ctx context.Context, _ fleet.Actor, in *struct {
	route.Input[api.Acceptance]
	route.Peer
}) (*route.Reply[api.Token], error) {
	secret, t, err := a.Accounts.Accept(ctx, fleet.Acceptance{Secret: in.In.Token, Password: in.In.Password, Another: in.In.Another, Name: in.In.Name, Address: in.Address})
	return route.Answer(shownToken(secret, t), err)
}
