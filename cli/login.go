package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/api/client"
	"github.com/muster-iot/muster/cli/terminal"
	"github.com/muster-iot/muster/fleet"
)

type loginCmd struct {
	Server  string `arg:"" optional:"" name:"url" help:"The server; by default the current context's, or http://127.0.0.1:8080." env:"MUSTER_URL"`
	Email   string `help:"Your email address; asked for if missing." env:"MUSTER_EMAIL"`
	Team    uint32 `help:"Id of the team, if you have several; by default your oldest." placeholder:"ID"`
	Expires span   `help:"Lifetime of the token, as in 30d or 12h; the server has a default." placeholder:"TIME"`
	Name    string `help:"Name of the context; by default the server's host and port." placeholder:"NAME"`
}

// Run signs in with a password and stores the token as the current context.
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
		return signInError(err)
	}
	return all.keep(ctx, c.name(base), base, client, token)
}

// keep stores a new token as the current context and reports it.
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
	fmt.Fprintf(os.Stdout, "Signed in at %s as %s, %s of the team %s. The context is called %s.\n",
		base, terminal.Clean(account.Email), account.Role, terminal.Clean(account.Team.Name), name)
	return nil
}

// signInError strips the kind of a failed sign-in, as the advice for it is to sign in.
func signInError(err error) error {
	if errors.Is(err, fleet.Unauthenticated) {
		return errors.New(err.Error())
	}
	return err
}

// base returns the server's address in the form contexts store.
func (c *loginCmd) base(all *contexts) (string, error) {
	base := cmp.Or(strings.TrimSuffix(c.Server, "/"), all.Contexts[cmp.Or(c.Name, all.Current)].URL, localServer)
	if !strings.Contains(base, "://") {
		base = schemeFor(base) + base
	}
	address, err := url.Parse(base)
	if err != nil || address.Host == "" || address.Scheme != "http" && address.Scheme != "https" {
		return "", Misuse("%q is not the address of a server: use one such as https://muster.example.com", base)
	}
	if ip := net.ParseIP(address.Hostname()); address.Scheme == "http" && address.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback()) {
		note("Warning: the connection is not encrypted, so your password can be read on the network. Use https if you can.")
	}
	return base, nil
}

// schemeFor is the scheme of an address without one: https, except for this machine.
func schemeFor(address string) string {
	host := address
	if name, _, err := net.SplitHostPort(address); err == nil {
		host = name
	}
	if ip := net.ParseIP(strings.Trim(host, "[]")); host == "localhost" || ip != nil && ip.IsLoopback() {
		return "http://"
	}
	return "https://"
}

// proof asks for what is missing of email and password. The password comes from
// MUSTER_PASSWORD, from the terminal, or from the first line of standard input.
func (c *loginCmd) proof(ctx context.Context, known string) (email, password string, err error) {
	email = cmp.Or(c.Email, known)
	if email == "" {
		if !terminal.Interactive() {
			return "", "", Misuse("who is signing in? Add --email")
		}
		fmt.Fprint(os.Stderr, "Email: ")
		if email, err = terminal.ReadLine(ctx); err != nil {
			return "", "", err
		}
	}
	if password = os.Getenv(passwordVariable); password != "" {
		return email, password, nil
	}
	password, err = askSecret(ctx, "Password of "+email)
	return email, password, err
}

func (c *loginCmd) name(base string) string { return cmp.Or(c.Name, nameFor(base)) }

type logoutCmd struct {
	Context string `help:"Context to sign out of; by default the current one." env:"MUSTER_CONTEXT" placeholder:"NAME" complete:"context"`
}

// Run revokes the token and deletes the context, even if the server can't be reached.
func (c *logoutCmd) Run(ctx context.Context) error {
	all, err := loadContexts()
	if err != nil {
		return err
	}
	name := cmp.Or(c.Context, all.Current)
	if name == "" {
		return Misuse("you are not signed in anywhere")
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
		return fmt.Errorf("signed out on this machine, but the token could not be revoked and works until %s: %w", found.Expires.Format(time.DateOnly), err)
	}
	fmt.Fprintf(os.Stdout, "Signed out of %s.\n", found.URL)
	return nil
}
