package client

import (
	"context"
	"net/http"
	"strings"

	"github.com/muster-iot/muster/api"
)

// Client calls the API of one server with one token. It may be used concurrently. Its
// methods return errors of fleet's kinds as the server reported them, with the server's
// description as their text, and fleet.Unavailable when the server can't be reached.
type Client struct {
	base  string
	token string
	match string // ETag that edits depend on; "": none
	http  *http.Client
}

// New returns a client of the server at base, such as "http://127.0.0.1:8080", that sends
// token. Calls end with their context: the client sets no time limit of its own.
func New(base, token string) *Client {
	return &Client{base: strings.TrimSuffix(base, "/"), token: token, http: &http.Client{}}
}

// If returns a client whose edits fail with fleet.Conflict and fleet.CodeChanged when the
// thing they change has changed since tag was read. An empty tag matches everything.
func (c *Client) If(tag string) *Client {
	conditional := *c
	conditional.match = tag
	return &conditional
}

// SignIn creates a token by password, for the user's oldest team, and returns a client
// that uses it. It returns fleet.Unauthenticated when email or password is wrong.
func SignIn(ctx context.Context, base, email, password string) (*Client, api.Token, error) {
	return Authorize(ctx, base, api.TokenRequest{GrantType: "password", Username: email, Password: password})
}

// Authorize creates the token that r describes, and returns a client that uses it.
func Authorize(ctx context.Context, base string, r api.TokenRequest) (*Client, api.Token, error) {
	c := New(base, "")
	t, err := post[api.Token](ctx, c, "/oauth/token", r)
	if err != nil {
		return nil, t, err
	}
	c.token = t.AccessToken
	return c, t, nil
}

// SignOut revokes the client's token.
func (c *Client) SignOut(ctx context.Context) error {
	return c.do(ctx, http.MethodDelete, "/v1/access_tokens/current", nil)
}

// ChangePassword replaces the password of the client's user. It revokes the user's tokens
// in every team, except the client's own.
func (c *Client) ChangePassword(ctx context.Context, current, password string) error {
	return c.do(ctx, http.MethodPut, "/v1/user", api.UserUpdates{Password: password, Current: current})
}

// Account retrieves the user, team, role and groups of the client's token.
func (c *Client) Account(ctx context.Context) (api.Account, error) {
	return get[api.Account](ctx, c, "/v1/account")
}

// Server retrieves the version of the server.
func (c *Client) Server(ctx context.Context) (api.System, error) {
	return get[api.System](ctx, c, "/v1/version")
}

// Accept accepts an invitation. The client then uses the token that the server created.
func (c *Client) Accept(ctx context.Context, a api.Acceptance) (api.Token, error) {
	t, err := post[api.Token](ctx, c, "/v1/invitations/accept", a)
	if err == nil {
		c.token = t.AccessToken
	}
	return t, err
}

// Tokens retrieves the tokens of a user in the team; an empty email means the client's user.
func (c *Client) Tokens(ctx context.Context, email string) ([]api.TokenInfo, error) {
	out, err := get[api.TokenList](ctx, c, query{}.text("user", email).on("/v1/access_tokens"))
	return out.Tokens, err
}

// CreateToken creates a token with the rights of the client's user.
func (c *Client) CreateToken(ctx context.Context, t api.NewToken) (api.Token, error) {
	return post[api.Token](ctx, c, "/v1/access_tokens", t)
}

// RevokeToken revokes a token by its id.
func (c *Client) RevokeToken(ctx context.Context, id string) error {
	return c.do(ctx, http.MethodDelete, path("access_tokens", id), nil)
}
