package main

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
	Link     string `arg:"" help:"The link you were given, or its token together with --url."`
	URL      string `name:"url" help:"The server, where only a token is given." env:"MUSTER_URL" placeholder:"URL"`
	FullName string `help:"Your name, for a new account." placeholder:"TEXT"`
	Name     string `help:"Name of the context; the server's host and port where left out." placeholder:"NAME"`
}

// Run takes the place that the invitation offers, and signs in.
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
		password, err = newPassword(ctx, "Password of your account, or the one that a new account is to have")
	}
	if err != nil {
		return err
	}
	client := client.New(base, "")
	token, err := client.Accept(ctx, api.Acceptance{Token: secret, Password: password, Name: c.FullName})
	if err != nil {
		return signingIn(err)
	}
	return all.keep(ctx, cmp.Or(c.Name, nameFor(base)), base, client, token)
}

// parts are the server that a link is of, and its token, which is behind the #.
func (c *acceptCmd) parts() (base, secret string, err error) {
	page, secret, isLink := strings.Cut(c.Link, "#")
	if !isLink {
		if c.URL == "" {
			return "", "", wrongUse("where to? Give the whole link, in quotes, or add --url")
		}
		return strings.TrimSuffix(c.URL, "/"), c.Link, nil
	}
	address, err := url.Parse(page)
	if err != nil || address.Host == "" || secret == "" {
		return "", "", wrongUse("%q is no link of an invitation", page)
	}
	base, _, _ = strings.Cut(page, "/v1/")
	return strings.TrimSuffix(base, "/"), secret, nil
}
