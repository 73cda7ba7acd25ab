package console

import (
	"strings"

	"github.com/muster-iot/muster/fleet"
)

// tokensBody is the page of tokens: the user's own or, with the right, another member's.
type tokensBody struct {
	Of       string // email of their user
	Own      bool
	Tokens   []tokenRow
	Members  []fleet.Member // to choose from, with the right
	Lifetime []int
	Secret   string // of a new token, shown only once
	Origin   string
}

// tokenRow is a token; Here marks the current session's.
type tokenRow struct {
	fleet.Token
	Here bool
}

func (v teamPages) tokensPage() error {
	body, err := v.tokensBody(v.text("of"))
	if err != nil {
		return err
	}
	body.Secret = shownOnce[string](v.visit)
	return v.show("tokens", "Tokens", body)
}

func (v teamPages) tokensBody(of string) (b tokensBody, err error) {
	if of == "" {
		of = v.actor.Email
	}
	b = tokensBody{Of: of, Own: of == v.actor.Email, Lifetime: lifetimes, Origin: v.origin()}
	tokens, err := v.accounts.TokensOf(v.ctx(), v.actor, of)
	if err != nil {
		return b, err
	}
	for _, t := range tokens {
		b.Tokens = append(b.Tokens, tokenRow{t, b.Own && strings.Contains(v.secret, "_"+t.ID+"_")})
	}
	if v.may(fleet.SeeAudit) == nil {
		b.Members, err = v.accounts.Members(v.ctx(), v.actor)
	}
	return b, err
}

func (v teamPages) newToken() error {
	lifetime, err := v.lifetime()
	if err != nil {
		return err
	}
	if err := v.kept.hasRoom(v.actor, 1); err != nil {
		return err
	}
	secret, _, err := v.accounts.NewToken(v.ctx(), v.actor, v.text("label"), lifetime)
	if err != nil {
		return err
	}
	return v.showOnce("/team/tokens", secret, 1)
}

func (v teamPages) revokeToken() error {
	back := "/team/tokens"
	if of := v.text("of"); of != "" && of != v.actor.Email {
		back = v.tokensOf(of)
	}
	return v.after(v.accounts.RevokeToken(v.ctx(), v.actor, v.text("id")), back, "Revoked.")
}
