package rest

import (
	"context"
	"net/http"
	"time"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/api/route"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

func (a *API) session() route.Table {
	const tokens = "/v1/access_tokens"
	return route.Table{Tag: "session", Routes: []route.Route{
		route.Post("CreateToken", "/oauth/token", "Sign in by password", route.Public, a.signIn).
			Fails(http.StatusTooManyRequests).
			Example(`{"grant_type":"password","username":"me@example.com","password":"correct horse battery staple"}`),
		route.Delete("RevokeToken", tokens+"/current", "Revoke the token of this request", route.Needs(fleet.SeeTeam), a.signOut),
		route.Get("GetUser", "/v1/user", "Who am I", route.Needs(fleet.SeeTeam), a.whoAmI),
		route.Put("UpdateUser", "/v1/user", "Change my password; all my tokens except this one are revoked, in every team",
			route.Needs(fleet.SeeTeam), a.changePassword).
			Fails(http.StatusConflict, http.StatusTooManyRequests).
			Example(`{"current_password":"correct horse battery staple","password":"staple battery horse correct"}`),

		route.Get("ListTokens", tokens, "My tokens in this team; with user, another user's", route.Needs(fleet.SeeTeam), a.listTokens),
		route.Post("CreateAccessToken", tokens, "Create a token with my rights, for a program", route.Needs(fleet.SeeTeam), a.createToken).
			Created().Fails(http.StatusTooManyRequests).Example(`{"label":"CI","expires_in":2592000}`),
		route.Delete("RevokeAccessToken", tokens+"/{token}", "Revoke one of my tokens or, with the right, of anyone in the team",
			route.Needs(fleet.SeeTeam), a.revokeToken),
	}}
}

// maxProof bounds an email and a password that are only compared, in bytes.
const maxProof = 256

func (a *API) signIn(ctx context.Context, _ fleet.Actor, in *struct {
	route.Input[api.TokenRequest]
	route.Peer
}) (*route.Reply[api.Token], error) {
	r := in.In
	if r.GrantType != "" && r.GrantType != "password" {
		return nil, &api.Problem{
			Code: "unsupported_grant_type", Description: "grant_type: only password is supported",
			Fields: map[string]string{"grant_type": "only password is supported"}, Status: http.StatusBadRequest,
		}
	}
	for name, text := range map[string]string{"username": r.Username, "password": r.Password} {
		if len(text) > maxProof {
			return nil, fleet.FieldErrorf(name, "%s: at most %d bytes", name, maxProof)
		}
	}
	proof := fleet.SignIn{Email: r.Username, Password: r.Password, Team: fleet.TeamID(r.Team), Address: in.Address}
	if r.ExpiresIn != nil {
		proof.Lifetime = time.Duration(*r.ExpiresIn) * time.Second
	}
	secret, token, err := a.Accounts.SignIn(ctx, proof)
	if p := api.ProblemOf(err); err != nil && p.Status == http.StatusUnauthorized {
		return nil, &api.Problem{Code: api.CodeInvalidGrant, Description: p.Description, Status: http.StatusBadRequest}
	}
	return route.Answer(shownToken(secret, token), err)
}

func (a *API) signOut(ctx context.Context, who fleet.Actor, in *struct{ route.Bearer }) (*route.None, error) {
	return nil, a.Accounts.SignOut(ctx, who, in.Secret)
}

func (a *API) whoAmI(_ context.Context, who fleet.Actor, _ *struct{}) (*route.Reply[api.User], error) {
	return route.Answer(shownUser(who), nil)
}

func (a *API) changePassword(ctx context.Context, who fleet.Actor, in *struct {
	route.Input[api.UserUpdates]
	route.Bearer
	route.Peer
}) (*route.Reply[api.User], error) {
	err := a.Accounts.ChangePassword(ctx, who, fleet.NewPassword{
		Old: in.In.Current, New: in.In.Password, Keep: in.Secret, Address: in.Address,
	})
	return route.Answer(shownUser(who), err)
}

func shownUser(who fleet.Actor) api.User {
	return api.User{ID: uint32(who.User), Username: who.Email, Name: who.Email}
}

func (a *API) listTokens(ctx context.Context, who fleet.Actor, in *struct {
	User string `query:"user" doc:"Email of another user, if you may see the tokens of others"`
}) (*route.Reply[api.TokenList], error) {
	if in.User != "" {
		tokens, err := a.Accounts.TokensOf(ctx, who, in.User)
		return route.Answer(shownTokens(tokens), route.About(err, "", "user"))
	}
	tokens, err := a.Accounts.Tokens(ctx, who)
	return route.Answer(shownTokens(tokens), err)
}

func (a *API) createToken(ctx context.Context, who fleet.Actor, in *struct {
	route.Input[api.NewToken]
	route.Bearer
}) (*route.Reply[api.Token], error) {
	secret, t, err := a.Accounts.NewChild(ctx, who, in.Secret, in.In.Label, in.In.Duration())
	return route.Answer(shownToken(secret, t), err)
}

func (a *API) revokeToken(ctx context.Context, who fleet.Actor, in *TokenPath) (*route.None, error) {
	return nil, a.Accounts.RevokeToken(ctx, who, in.Token)
}

func shownToken(secret string, t fleet.Token) api.Token {
	out := api.Token{AccessToken: secret, TokenType: "bearer", ID: t.ID, Team: uint32(t.Team)}
	if !t.Expires.IsZero() {
		out.ExpiresIn = int64(t.Expires.Sub(t.Created) / time.Second)
	}
	return out
}

func shownTokens(tokens []fleet.Token) api.TokenList {
	out := api.TokenList{Tokens: []api.TokenInfo{}}
	for _, t := range tokens {
		out.Tokens = append(out.Tokens, api.TokenInfo{
			ID: t.ID, Label: t.Label, Created: Moment(t.Created), Expires: Moment(t.Expires), Team: uint32(t.Team),
			Used: Moment(t.Used), From: t.From,
		})
	}
	return out
}

func (a *API) system() route.Table {
	return route.Table{Tag: "system", Routes: []route.Route{
		route.Get("GetVersion", "/v1/version", "Version of the server", route.Public, a.getVersion),
	}}
}

func (a *API) getVersion(context.Context, fleet.Actor, *struct{}) (*route.Reply[api.System], error) {
	return route.Answer(api.System{Name: "muster", Version: a.Config.Version, Protocol: wire.Protocol}, nil)
}
