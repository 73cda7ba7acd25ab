package api

import (
	"context"
	"net/http"
	"time"

	"github.com/muster-iot/muster/fleet"
)

// TokenInfo is a token as lists show it, without its secret.
type TokenInfo struct {
	ID      string     `json:"id"`
	Label   string     `json:"label"`
	Created *time.Time `json:"created_at"`
	Expires *time.Time `json:"expires_at" doc:"null: never"`
	Team    uint32     `json:"team"`
}

// TokenList is tokens, newest first.
type TokenList struct {
	Tokens []TokenInfo `json:"tokens"`
}

// NewToken asks for a token with one's own rights.
type NewToken struct {
	Label string `json:"label" doc:"What it is for"`
	Lifetime
}

// TokenPath names a token.
type TokenPath struct {
	Token string `path:"token" doc:"A token's id, or its secret"`
}

func (s *server) tokens() {
	const tag, all = "session", "/v1/access_tokens"
	add(s, route{id: "ListTokens", method: http.MethodGet, path: all, summary: "My tokens in this team; with user, another's", tag: tag, access: needs(fleet.SeeTeam)},
		func(ctx context.Context, who fleet.Actor, in *struct {
			User string `query:"user" doc:"Email of another user, for who may see the tokens of others"`
		}) (*reply[TokenList], error) {
			if in.User != "" {
				tokens, err := s.TokensOf(ctx, who, in.User)
				return answer(shownTokens(tokens), about(err, "", "user"))
			}
			tokens, err := s.Tokens(ctx, who)
			return answer(shownTokens(tokens), err)
		})
	add(s, route{id: "CreateAccessToken", method: http.MethodPost, path: all, summary: "Make a token with my rights, for a program", tag: tag, status: http.StatusCreated, access: needs(fleet.SeeTeam),
		errors: []int{http.StatusTooManyRequests}, example: `{"label":"CI","expires_in":2592000}`},
		func(ctx context.Context, who fleet.Actor, in *struct{ Input[NewToken] }) (*reply[Token], error) {
			secret, t, err := s.NewToken(ctx, who, in.In.Label, in.In.duration())
			return answer(shownToken(secret, t), err)
		})
	add(s, route{id: "RevokeAccessToken", method: http.MethodDelete, path: all + "/{token}", summary: "End a token of mine, or with the right, of anyone in the team", tag: tag, access: needs(fleet.SeeTeam)},
		func(ctx context.Context, who fleet.Actor, in *TokenPath) (*none, error) {
			return nil, s.RevokeToken(ctx, who, in.Token)
		})
}

func shownToken(secret string, t fleet.Token) Token {
	out := Token{AccessToken: secret, TokenType: "bearer", ID: t.ID, Team: uint32(t.Team)}
	if !t.Expires.IsZero() {
		out.ExpiresIn = int64(t.Expires.Sub(t.Created) / time.Second)
	}
	return out
}

func shownTokens(tokens []fleet.Token) TokenList {
	out := TokenList{Tokens: []TokenInfo{}}
	for _, t := range tokens {
		out.Tokens = append(out.Tokens, TokenInfo{ID: t.ID, Label: t.Label, Created: moment(t.Created), Expires: moment(t.Expires), Team: uint32(t.Team)})
	}
	return out
}
