package api

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
)

// Team is the team the client's token is for.
func (c *Client) Team(ctx context.Context) (t Team, err error) {
	return t, c.call(ctx, http.MethodGet, "/v1/team", nil, &t)
}

// Teams are the teams of the client's user.
func (c *Client) Teams(ctx context.Context) ([]Team, error) {
	var out TeamList
	err := c.call(ctx, http.MethodGet, "/v1/teams", nil, &out)
	return out.Teams, err
}

// CreateTeam makes a further team, owned by the client's user.
func (c *Client) CreateTeam(ctx context.Context, name string) (t Team, err error) {
	return t, c.call(ctx, http.MethodPost, "/v1/teams", NewTeam{Name: name}, &t)
}

// RenameTeam gives the team another name.
func (c *Client) RenameTeam(ctx context.Context, name string) (t Team, err error) {
	return t, c.call(ctx, http.MethodPut, "/v1/team", NewTeam{Name: name}, &t)
}

// DeleteTeam deletes the team, which has no products any more. The client's token ends
// with it.
func (c *Client) DeleteTeam(ctx context.Context) error {
	return c.call(ctx, http.MethodDelete, "/v1/team", nil, nil)
}

// LeaveTeam takes the client's user out of the team. The client's token ends with it.
func (c *Client) LeaveTeam(ctx context.Context) error {
	return c.call(ctx, http.MethodPost, "/v1/team/leave", nil, nil)
}

// HandOver makes a member the owner of the team.
func (c *Client) HandOver(ctx context.Context, email string) error {
	return c.call(ctx, http.MethodPut, "/v1/team/owner", NewOwner{Email: email}, nil)
}

// Users are the users of the team and, for who may invite, those invited.
func (c *Client) Users(ctx context.Context) ([]TeamUser, error) {
	var out TeamUsers
	err := c.call(ctx, http.MethodGet, "/v1/team/users", nil, &out)
	return out.Users, err
}

// AddUser invites a person, makes an account, or makes a program.
func (c *Client) AddUser(ctx context.Context, u NewUser) (out AddedUser, err error) {
	return out, c.call(ctx, http.MethodPost, "/v1/team/users", u, &out)
}

// UpdateUser sets role and groups of a user.
func (c *Client) UpdateUser(ctx context.Context, email string, u UserUpdate) (out TeamUser, err error) {
	return out, c.call(ctx, http.MethodPut, path("team", "users", email), u, &out)
}

// RemoveUser takes a user, or an invitation, out of the team.
func (c *Client) RemoveUser(ctx context.Context, email string) error {
	return c.call(ctx, http.MethodDelete, path("team", "users", email), nil, nil)
}

// User is one user of the team.
func (c *Client) User(ctx context.Context, email string) (u TeamUser, err error) {
	return u, c.call(ctx, http.MethodGet, path("team", "users", email), nil, &u)
}

// RotateProgram ends a program's tokens and gives it another; a lifetime of 0 is the
// server's choice.
func (c *Client) RotateProgram(ctx context.Context, email string, life Lifetime) (t Token, err error) {
	return t, c.call(ctx, http.MethodPut, path("team", "users", email, "token"), life, &t)
}

// Accept takes the place an invitation offers. The client then acts with the token made.
func (c *Client) Accept(ctx context.Context, a Acceptance) (t Token, err error) {
	if err := c.call(ctx, http.MethodPost, "/v1/invitations/accept", a, &t); err != nil {
		return t, err
	}
	c.token = t.AccessToken
	return t, nil
}

// Tokens are the tokens of a user in the team; with no email, the client's own.
func (c *Client) Tokens(ctx context.Context, email string) ([]TokenInfo, error) {
	var out TokenList
	address := "/v1/access_tokens"
	if email != "" {
		address += "?" + url.Values{"user": {email}}.Encode()
	}
	err := c.call(ctx, http.MethodGet, address, nil, &out)
	return out.Tokens, err
}

// CreateToken makes a token with the user's rights.
func (c *Client) CreateToken(ctx context.Context, t NewToken) (out Token, err error) {
	return out, c.call(ctx, http.MethodPost, "/v1/access_tokens", t, &out)
}

// RevokeToken ends a token, named by its id.
func (c *Client) RevokeToken(ctx context.Context, id string) error {
	return c.call(ctx, http.MethodDelete, path("access_tokens", id), nil, nil)
}

// AuditFilter selects entries of the audit log. Zero fields select all; Limit is 1 to 100.
type AuditFilter struct {
	Search string // part of anything in the entry
	Email  string // who did it
	Action string // what was done, or its first word
	Object string // what it was done to
	After  string
	Limit  int
}

// Audit is one page of the audit log, newest first.
func (c *Client) Audit(ctx context.Context, f AuditFilter) (out Page[AuditEntry], err error) {
	q := url.Values{}
	for key, value := range map[string]string{"search": f.Search, "email": f.Email, "action": f.Action, "object": f.Object, "pageNextToken": f.After} {
		if value != "" {
			q.Set(key, value)
		}
	}
	if f.Limit > 0 {
		q.Set("pageLimit", strconv.Itoa(f.Limit))
	}
	return out, c.call(ctx, http.MethodGet, "/v1/team/audit?"+q.Encode(), nil, &out)
}
