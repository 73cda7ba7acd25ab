package cli

import (
	"cmp"
	"context"
	"net/url"
	"os"
	"strings"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/api/client"
)

type acceptCmd struct {
	Link     string `arg:"" help:"The invitation link, or only its token together with --url."`
	URL      string `name:"url" help:"The server, if only a token is given." env:"MUSTER_URL" placeholder:"URL"`
	FullName string `help:"Your name, for a new account." placeholder:"TEXT"`
	Name     string `help:"Name of the context; by default the server's host and port." placeholder:"NAME"`
}

// Run accepts the invitation and signs in.
func (c *acceptCmd) Run(ctx context.Context) error {
	all, err := loadContexts()
	if err != nil {
		return err
	}
	base, secret, err := c.parts()
	if err != nil {
		return err
	}
	password := os.Getenv(passwordVariable)
	if password == "" {
		password, err = newPassword(ctx, "Your password, or a new one if you have no account yet")
	}
	if err != nil {
		return err
	}
	client := client.New(base, "")
	token, err := client.Accept(ctx, api.Acceptance{Token: secret, Password: password, Name: c.FullName})
	if err != nil {
		return signInError(err)
	}
	return all.keep(ctx, cmp.Or(c.Name, nameFor(base)), base, client, token)
}

// parts splits the link into the server and the token, which follows the #.
func (c *acceptCmd) parts() (base, secret string, err error) {
	page, secret, isLink := strings.Cut(c.Link, "#")
	if !isLink {
		if c.URL == "" {
			return "", "", Misuse("which server? Give the whole link, in quotes, or add --url")
		}
		return strings.TrimSuffix(c.URL, "/"), c.Link, nil
	}
	address, err := url.Parse(page)
	if err != nil || address.Host == "" || secret == "" {
		return "", "", Misuse("%q is not an invitation link", page)
	}
	base, _, _ = strings.Cut(page, "/v1/")
	return strings.TrimSuffix(base, "/"), secret, nil
}
