package client

import (
	"context"
	"net/http"

	"github.com/muster-iot/muster/api"
)

// Team retrieves the team of the client's token.
func (c *Client) Team(ctx context.Context) (api.Team, error) {
	return get[api.Team](ctx, c, "/v1/team")
}

// Teams retrieves the teams of the client's user.
func (c *Client) Teams(ctx context.Context) ([]api.Team, error) {
	out, err := get[api.TeamList](ctx, c, "/v1/teams")
	return out.Teams, err
}

// Quotas retrieves the team's quotas, and how much of each is used.
func (c *Client) Quotas(ctx context.Context) ([]api.Quota, error) {
	out, err := get[api.QuotaList](ctx, c, "/v1/team/quotas")
	return out.Quotas, err
}

// CreateTeam creates another team, owned by the client's user.
func (c *Client) CreateTeam(ctx context.Context, name string) (api.Team, error) {
	return post[api.Team](ctx, c, "/v1/teams", api.NewTeam{Name: name})
}

// RenameTeam renames the team.
func (c *Client) RenameTeam(ctx context.Context, name string) (api.Team, error) {
	return put[api.Team](ctx, c, "/v1/team", api.NewTeam{Name: name})
}

// DeleteTeam deletes the team, which must have no products, and the client's token with it.
func (c *Client) DeleteTeam(ctx context.Context) error {
	return c.do(ctx, http.MethodDelete, "/v1/team", nil)
}

// LeaveTeam removes the client's user from the team and revokes the client's token.
func (c *Client) LeaveTeam(ctx context.Context) error {
	return c.do(ctx, http.MethodPost, "/v1/team/leave", nil)
}

// HandOver makes a member the owner of the team.
func (c *Client) HandOver(ctx context.Context, email string) error {
	return c.do(ctx, http.MethodPut, "/v1/team/owner", api.NewOwner{Email: email})
}

// Users retrieves the users of the team and, if the client's user may invite, the open
// invitations.
func (c *Client) Users(ctx context.Context) ([]api.TeamUser, error) {
	out, err := get[api.TeamUsers](ctx, c, "/v1/team/users")
	return out.Users, err
}

// User retrieves one user of the team.
func (c *Client) User(ctx context.Context, email string) (api.TeamUser, error) {
	return get[api.TeamUser](ctx, c, path("team", "users", email))
}

// AddUser invites a person, creates an account, or creates a service account.
func (c *Client) AddUser(ctx context.Context, u api.NewUser) (api.AddedUser, error) {
	return post[api.AddedUser](ctx, c, "/v1/team/users", u)
}

// UpdateUser sets the role and groups of a user.
func (c *Client) UpdateUser(ctx context.Context, email string, u api.UserUpdate) (api.TeamUser, error) {
	return put[api.TeamUser](ctx, c, path("team", "users", email), u)
}

// RemoveUser removes a user from the team, or revokes an invitation.
func (c *Client) RemoveUser(ctx context.Context, email string) error {
	return c.do(ctx, http.MethodDelete, path("team", "users", email), nil)
}

// RotateProgram revokes a service account's tokens and creates a new one; a lifetime of 0
// means the server's default.
func (c *Client) RotateProgram(ctx context.Context, email string, life api.Lifetime) (api.Token, error) {
	return put[api.Token](ctx, c, path("team", "users", email, "token"), life)
}

// AuditHead retrieves number and hash of the newest entry of the audit log.
func (c *Client) AuditHead(ctx context.Context) (api.AuditHead, error) {
	return get[api.AuditHead](ctx, c, path("team", "audit", "head"))
}

// Audit retrieves one page of the audit log, newest first.
func (c *Client) Audit(ctx context.Context, f api.AuditFilter) (api.Page[api.AuditEntry], error) {
	q := auditQuery(f).text("pageNextToken", f.After).number("pageLimit", f.Limit)
	return get[api.Page[api.AuditEntry]](ctx, c, q.on("/v1/team/audit"))
}

// auditQuery is f without its page.
func auditQuery(f api.AuditFilter) query {
	return query{}.text("search", f.Search).text("email", f.Email).text("action", f.Action).text("object", f.Object).
		number("product", int(f.Product)).moment("start", f.From).moment("end", f.To)
}
