package cli

import (
	"context"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/api/client"
	"github.com/muster-iot/muster/humane"
)

type tokenCmd struct {
	List   tokenListCmd   `cmd:"" help:"List your tokens in the team, newest first." example:"muster token list"`
	Create tokenCreateCmd `cmd:"" help:"Create a token with your rights, shown only once." example:"muster token create laptop --expires 30d"`
	Revoke tokenRevokeCmd `cmd:"" help:"Revoke tokens." example:"muster token revoke 0f3a9c51"`
}

type tokenListCmd struct {
	remote
	User string `help:"List the tokens of another user, if you are allowed to see them." placeholder:"EMAIL" complete:"user"`
}

// Run lists tokens, without their secrets.
func (c *tokenListCmd) Run(ctx context.Context) error {
	return ask(ctx, c, func(s server) ([]api.TokenInfo, error) { return s.Tokens(ctx, c.User) }, func(t *table, tokens []api.TokenInfo) {
		t.hint(len(tokens), "No tokens.")
		t.row("ID", "LABEL", "CREATED", "EXPIRES", "LAST USED", "FROM")
		for _, one := range tokens {
			t.row(one.ID, one.Label, one.Created, one.Expires, one.Used, one.From)
		}
	})
}

type tokenCreateCmd struct {
	remote
	Label   string `arg:"" help:"What it is for."`
	Expires span   `help:"Lifetime, as in 30d or 12h; the server has a default." placeholder:"TIME"`
}

// Run creates a token.
func (c *tokenCreateCmd) Run(ctx context.Context) error {
	return ask(ctx, c, func(s server) (api.Token, error) {
		return s.CreateToken(ctx, api.NewToken{Label: c.Label, Lifetime: api.Lifetime{ExpiresIn: c.Expires.seconds()}})
	}, drawToken)
}

type tokenRevokeCmd struct {
	remote
	agree
	ID []string `arg:"" name:"id" help:"Token ids, as muster token list shows them."`
}

// Run revokes tokens.
func (c *tokenRevokeCmd) Run(ctx context.Context) error {
	if _, err := c.reach(ctx); err != nil {
		return err // before asking
	}
	if err := c.confirm(ctx, "Revoke %s? Whatever uses them loses access at once.", humane.Count(len(c.ID), "token")); err != nil {
		return err
	}
	return each(ctx, c, c.ID, (*client.Client).RevokeToken, "revoked")
}
