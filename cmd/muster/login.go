package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/api/client"
	"github.com/muster-iot/muster/fleet"
)

type loginCmd struct {
	Server  string `arg:"" optional:"" name:"url" help:"The server; the current context's, or else http://127.0.0.1:8080, where left out." env:"MUSTER_URL"`
	Email   string `help:"Who signs in; asked for where left out." env:"MUSTER_EMAIL"`
	Team    uint32 `help:"Id of the team, for users of several; your oldest where left out." placeholder:"ID"`
	Expires span   `help:"The token ends after this long, as in 30d or 12h; the server's choice where left out." placeholder:"TIME"`
	Name    string `help:"Name of the context; the server's host and port where left out." placeholder:"NAME"`
}

// Run signs in by password and keeps the token as the current context.
func (c *loginCmd) Run(ctx context.Context) error {
	all, err := loadContexts()
	if err != nil {
		return err
	}
	base, err := c.base(all)
	if err != nil {
		return err
	}
	email, password, err := c.proof(ctx, all.Contexts[c.name(base)].Email)
	if err != nil {
		return err
	}
	request := api.TokenRequest{GrantType: "password", Username: email, Password: password, Team: c.Team}
	if c.Expires > 0 {
		request.ExpiresIn = new(c.Expires.seconds())
	}
	client, token, err := client.Authorize(ctx, base, request)
	if err != nil {
		return signingIn(err)
	}
	return all.keep(ctx, c.name(base), base, client, token)
}

// keep makes a new token the current context, and says so.
func (c *contexts) keep(ctx context.Context, name, base string, client *client.Client, token api.Token) error {
	account, err := client.Account(ctx)
	if err != nil {
		return err
	}
	c.Current = name
	c.Contexts[name] = signedIn{
		URL: base, Email: account.Email, Team: account.Team.Name, TeamID: account.Team.TenantID, Token: token.AccessToken,
		Expires: time.Now().Add(time.Duration(token.ExpiresIn) * time.Second).UTC().Truncate(time.Second),
	}
	if err := c.save(); err != nil {
		return err
	}
	fmt.Printf("Signed in at %s as %s, %s of the team %s. The context is called %s.\n",
		base, clean(account.Email), account.Role, clean(account.Team.Name), name)
	return nil
}

// signingIn is an error of signing in. The usual advice, to sign in, would be no help.
func signingIn(err error) error {
	if errors.Is(err, fleet.Unauthenticated) {
		return errors.New(err.Error())
	}
	return err
}

// base is the server's address in the form contexts keep.
func (c *loginCmd) base(all *contexts) (string, error) {
	base := cmp.Or(strings.TrimSuffix(c.Server, "/"), all.Contexts[cmp.Or(c.Name, all.Current)].URL, localServer)
	if !strings.Contains(base, "://") {
		base = "http://" + base
	}
	address, err := url.Parse(base)
	if err != nil || address.Host == "" || address.Scheme != "http" && address.Scheme != "https" {
		return "", wrongUse("%q is no address of a server: use one such as https://muster.example.com", base)
	}
	if ip := net.ParseIP(address.Hostname()); address.Scheme == "http" && address.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback()) {
		note("Warning: the password and all that follows go over the net in the clear. Use https where you can.")
	}
	return base, nil
}

func (c *loginCmd) name(base string) string { return cmp.Or(c.Name, nameFor(base)) }

type logoutCmd struct {
	Context string `help:"Context to end; the current one where left out." env:"MUSTER_CONTEXT" placeholder:"NAME" complete:"context"`
}

// Run ends the token at the server and forgets the context, also where the server can't
// be told.
func (c *logoutCmd) Run(ctx context.Context) error {
	all, err := loadContexts()
	if err != nil {
		return err
	}
	name := cmp.Or(c.Context, all.Current)
	if name == "" {
		return wrongUse("you are not signed in anywhere")
	}
	found, err := all.find(name)
	if err != nil {
		return err
	}
	err = client.New(found.URL, found.Token).SignOut(ctx)
	all.drop(name)
	if saveErr := all.save(); saveErr != nil {
		return saveErr
	}
	if err != nil && !errors.Is(err, fleet.Unauthenticated) {
		return fmt.Errorf("signed out here, but the server does not know: its token works until %s (%w)", found.Expires.Format(time.DateOnly), err)
	}
	fmt.Printf("Signed out of %s.\n", found.URL)
	return nil
}
