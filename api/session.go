package api

import (
	"context"
	"net"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/muster-iot/muster/fleet"
)

// TokenRequest is OAuth's password grant (RFC 6749 §4.3). Any client id will do.
type TokenRequest struct {
	GrantType    string  `json:"grant_type,omitempty" example:"password"`
	Username     string  `json:"username" example:"me@example.com"`
	Password     string  `json:"password"`
	ExpiresIn    *uint32 `json:"expires_in,omitempty" doc:"Seconds the token lives; absent or 0: 90 days"`
	Team         uint32  `json:"team,omitempty" doc:"Absent: your oldest team"`
	ClientID     ignored `json:"client_id,omitzero"`
	ClientSecret ignored `json:"client_secret,omitzero"`
	Scope        ignored `json:"scope,omitzero"`
}

// Token is the answer to a TokenRequest.
type Token struct {
	AccessToken string `json:"access_token" doc:"Shown this once"`
	TokenType   string `json:"token_type" example:"bearer"`
	ExpiresIn   int64  `json:"expires_in" doc:"Seconds"`
	ID          string `json:"id" doc:"The public part, to list and to revoke by"`
	Team        uint32 `json:"team"`
}

// User is who asks, in Particle's shape.
type User struct {
	ID       uint32 `json:"id"`
	Username string `json:"username"`
	Name     string `json:"name"`
}

// UserUpdates is how users change their password, in Particle's shape.
type UserUpdates struct {
	Password   string  `json:"password" doc:"The new one, of 10 to 256 bytes"`
	Current    string  `json:"current_password" doc:"The one of now"`
	Invalidate ignored `json:"invalidate_tokens,omitzero"`
}

// Account is who asks and in which team, in nRF Cloud's shape.
type Account struct {
	MQTTEndpoint string   `json:"mqttEndpoint"`
	Team         TeamName `json:"team"`
	Role         string   `json:"role" enum:"owner,admin,editor,viewer"`
	UserID       string   `json:"userId"`
	Email        string   `json:"email"`
	Tags         []string `json:"tags" doc:"Your groups: you see devices in any of them, and devices in none"`
}

// TeamName is a team in an Account.
type TeamName struct {
	TenantID string `json:"tenantId"`
	Name     string `json:"name"`
}

func (s *server) session() {
	type sign struct {
		Input[TokenRequest]
		Peer
	}
	add(s, route{id: "CreateToken", method: http.MethodPost, path: "/oauth/token", summary: "Sign in by password", tag: "session", access: public,
		errors:  []int{http.StatusTooManyRequests},
		example: `{"grant_type":"password","username":"me@example.com","password":"correct horse battery staple"}`},
		func(ctx context.Context, _ fleet.Actor, in *sign) (*reply[Token], error) {
			return s.signIn(ctx, in.In, in.address)
		})
	add(s, route{id: "RevokeToken", method: http.MethodDelete, path: "/v1/access_tokens/current", summary: "End the token this request carries", tag: "session", access: needs(fleet.SeeTeam)},
		func(ctx context.Context, who fleet.Actor, in *struct{ Bearer }) (*none, error) {
			return nil, s.SignOut(ctx, who, in.secret)
		})
	add(s, route{id: "GetUser", method: http.MethodGet, path: "/v1/user", summary: "Who am I", tag: "session", access: needs(fleet.SeeTeam)},
		func(_ context.Context, who fleet.Actor, _ *struct{}) (*reply[User], error) {
			return &reply[User]{User{ID: uint32(who.User), Username: who.Email, Name: who.Email}}, nil
		})
	add(s, route{id: "UpdateUser", method: http.MethodPut, path: "/v1/user", summary: "Change my password; all my tokens but this one end, in every team", tag: "session", access: needs(fleet.SeeTeam),
		errors: []int{http.StatusConflict, http.StatusTooManyRequests}, example: `{"current_password":"correct horse battery staple","password":"staple battery horse correct"}`},
		func(ctx context.Context, who fleet.Actor, in *struct {
			Input[UserUpdates]
			Bearer
			Peer
		}) (*reply[User], error) {
			err := s.ChangePassword(ctx, who, fleet.NewPassword{Old: in.In.Current, New: in.In.Password, Keep: in.secret, Address: in.address})
			return answer(User{ID: uint32(who.User), Username: who.Email, Name: who.Email}, err)
		})
	add(s, route{id: "GetAccount", method: http.MethodGet, path: "/v1/account", summary: "My team, role and groups", tag: "session", access: needs(fleet.SeeTeam)},
		func(ctx context.Context, who fleet.Actor, _ *struct{}) (*reply[Account], error) {
			a, err := s.Account(ctx, who)
			return answer(s.account(a), err)
		})
}

// maxProof bounds an email and a password that are only looked at, in bytes.
const maxProof = 256

// codeInvalidGrant is OAuth's word for a wrong proof; it comes with 400 (RFC 6749 §5.2).
const codeInvalidGrant = "invalid_grant"

func (s *server) signIn(ctx context.Context, in TokenRequest, address string) (*reply[Token], error) {
	if in.GrantType != "" && in.GrantType != "password" {
		return nil, &Problem{Code: "unsupported_grant_type", Description: "grant_type: only password is supported", Fields: map[string]string{"grant_type": "only password is supported"}, status: http.StatusBadRequest}
	}
	for name, text := range map[string]string{"username": in.Username, "password": in.Password} {
		if len(text) > maxProof {
			return nil, fleet.FieldErrorf(name, "%s: at most %d bytes", name, maxProof)
		}
	}
	proof := fleet.SignIn{Email: in.Username, Password: in.Password, Team: fleet.TeamID(in.Team), Address: address}
	if in.ExpiresIn != nil {
		proof.Lifetime = time.Duration(*in.ExpiresIn) * time.Second
	}
	secret, token, err := s.SignIn(ctx, proof)
	if p := problem(err); err != nil && p.status == http.StatusUnauthorized {
		return nil, &Problem{Code: codeInvalidGrant, Description: p.Description, status: http.StatusBadRequest}
	}
	if err != nil {
		return nil, err
	}
	return answer(shownToken(secret, token), nil)
}

func (s *server) account(a fleet.Account) Account {
	return Account{
		MQTTEndpoint: s.config.MQTT,
		Team:         TeamName{TenantID: a.Team.ID.String(), Name: a.Team.Name},
		Role:         a.Role.String(), UserID: a.User.ID.String(), Email: a.User.Email, Tags: list(a.Groups),
	}
}

// Peer is embedded in inputs that need to know where a request came from.
type Peer struct{ address string }

// Resolve notes the peer's address, without port; huma calls it.
func (c *Peer) Resolve(ctx huma.Context) []error {
	c.address = ctx.RemoteAddr()
	if host, _, err := net.SplitHostPort(c.address); err == nil {
		c.address = host
	}
	return nil
}

// Bearer is embedded in inputs that are about the token they came with.
type Bearer struct{ secret string }

// Resolve notes the token; huma calls it.
func (c *Bearer) Resolve(ctx huma.Context) []error {
	c.secret = bearer(ctx.Header("Authorization"))
	return nil
}

// list is l, never nil: JSON shows [] and not null.
func list[T any](l []T) []T {
	if l == nil {
		return []T{}
	}
	return l
}
