package cli

import (
	"cmp"
	"context"
	"fmt"

	"github.com/muster-iot/muster/api"
)

type programCmd struct {
	Create      programCreateCmd `cmd:"" help:"Create a program: a service account with its own role, groups and token. The token is shown only once." example:"muster program create CI --role editor --group beta --expires 90d"`
	RotateToken programRotateCmd `cmd:"" help:"Replace a program's token; the new one is shown only once." example:"muster program rotate-token ci+0a1b2c3d4e@api.muster"`
}

type programCreateCmd struct {
	remote
	place
	Name    string `arg:"" help:"Name; its address is derived from it."`
	Expires span   `help:"Lifetime of its token, as in 90d or 12h; a year by default." placeholder:"TIME"`
}

// Run creates a program.
func (c *programCreateCmd) Run(ctx context.Context) error {
	return ask(ctx, c, func(s server) (api.AddedUser, error) {
		return s.AddUser(ctx, api.NewUser{Name: c.Name, Role: c.Role, Groups: c.groups(), Lifetime: c.Expires.seconds()})
	}, func(t *table, added api.AddedUser) {
		drawUser(t, added.TeamUser)
		if added.Token != nil {
			drawToken(t, *added.Token)
		}
	})
}

type programRotateCmd struct {
	remote
	agree
	Program string `arg:"" help:"Address of the program, as muster user list shows it." complete:"user"`
	Expires span   `help:"Lifetime of the new token, as in 90d or 12h; a year by default." placeholder:"TIME"`
}

// Run replaces a program's token.
func (c *programRotateCmd) Run(ctx context.Context) error {
	return ask(ctx, c, func(s server) (api.Token, error) {
		if err := c.confirm(ctx, "The current token of %s is revoked at once. Replace it?", c.Program); err != nil {
			return api.Token{}, err
		}
		return s.RotateProgram(ctx, c.Program, api.Lifetime{ExpiresIn: c.Expires.seconds()})
	}, drawToken)
}

// drawToken shows a new token with its secret.
func drawToken(t *table, token api.Token) {
	expires := ""
	if token.ExpiresIn != 0 {
		expires = fmt.Sprintf("in %s", span(token.ExpiresIn*int64(second)))
	}
	t.row("token id", token.ID)
	t.row("token (shown only once: copy it now)", token.AccessToken)
	t.row("token expires", cmp.Or(expires, "never"))
}
