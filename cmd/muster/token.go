package main

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/humane"
)

type tokenCmd struct {
	List   tokenListCmd   `cmd:"" help:"List your tokens in the team, newest first." example:"muster token list"`
	Create tokenCreateCmd `cmd:"" help:"Make a token with your rights, shown this once." example:"muster token create laptop --expires 30d"`
	Revoke tokenRevokeCmd `cmd:"" help:"End tokens at once." example:"muster token revoke 0f3a9c51"`
}

type tokenListCmd struct {
	remote
	User string `help:"Those of another user, for who may see the tokens of others." placeholder:"EMAIL" complete:"user"`
}

// Run lists tokens, without their secrets.
func (c *tokenListCmd) Run(ctx context.Context) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	tokens, err := client.Tokens(ctx, c.User)
	if err != nil {
		return err
	}
	c.hint(len(tokens), "No tokens.")
	return c.show(tokens, func(t *table) {
		t.row("ID", "LABEL", "CREATED", "ENDS")
		for _, one := range tokens {
			t.row(one.ID, one.Label, one.Created, one.Expires)
		}
	})
}

type tokenCreateCmd struct {
	remote
	Label   string `arg:"" help:"What it is for."`
	Expires span   `help:"It ends after this long, as in 30d or 12h; the server's choice where left out." placeholder:"TIME"`
}

// Run makes a token.
func (c *tokenCreateCmd) Run(ctx context.Context) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	token, err := client.CreateToken(ctx, api.NewToken{Label: c.Label, Lifetime: api.Lifetime{ExpiresIn: c.Expires.seconds()}})
	if err != nil {
		return err
	}
	return c.show(token, func(t *table) { drawSecret(t, token) })
}

type tokenRevokeCmd struct {
	remote
	agree
	ID []string `arg:"" name:"id" help:"Ids of tokens, as muster token list shows them."`
}

// Run ends tokens, going on where one can't be ended.
func (c *tokenRevokeCmd) Run(ctx context.Context) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	if err := c.confirm(ctx, "End %s at once? Whoever uses one is shut out.", humane.Count(len(c.ID), "token")); err != nil {
		return err
	}
	return c.each(c.ID, func(id string) error { return client.RevokeToken(ctx, id) }, "ended")
}

// span is a length of time on the command line: Go's, or whole days as in 30d.
type span time.Duration

const (
	second = time.Second
	day    = 24 * time.Hour
)

// UnmarshalText reads 30d, 12h or 1h30m, of a second at least.
func (s *span) UnmarshalText(text []byte) error {
	word := string(text)
	if days, ok := strings.CutSuffix(word, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 16)
		*s = span(time.Duration(n) * day) //nolint:gosec // of 16 bits
		if err == nil && n > 0 {
			return nil
		}
	} else if d, err := time.ParseDuration(word); err == nil && d >= second && d/second <= math.MaxUint32 {
		*s = span(d)
		return nil
	}
	return fmt.Errorf("%q is no length of time: use 30d, 12h or 90m", word)
}

func (s span) String() string {
	if d := time.Duration(s); d%day != 0 || d == 0 {
		return d.String()
	}
	return humane.Count(int(time.Duration(s)/day), "day")
}

// seconds is what the API takes; 0 is the server's choice.
func (s span) seconds() uint32 { return uint32(time.Duration(s) / second) } //nolint:gosec // UnmarshalText checked the range
