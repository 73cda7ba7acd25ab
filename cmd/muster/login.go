package main

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

	"golang.org/x/term"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/fleet"
)

type loginCmd struct {
	Server  string        `arg:"" optional:"" name:"url" help:"The server; the current context's, or else http://127.0.0.1:8080, where left out." env:"MUSTER_URL"`
	Email   string        `help:"Who signs in; asked for where left out." env:"MUSTER_EMAIL"`
	Team    uint32        `help:"Id of the team, for users of several; your oldest where left out." placeholder:"ID"`
	Expires time.Duration `help:"The token ends after this long; the server's choice where left out." placeholder:"TIME"`
	Name    string        `help:"Name of the context; the server's host and port where left out." placeholder:"NAME"`
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
		seconds := uint32(c.Expires / time.Second) //nolint:gosec // the server checks the range
		request.ExpiresIn = &seconds
	}
	client, token, err := api.Authorize(ctx, base, request)
	if errors.Is(err, fleet.Unauthenticated) {
		return errors.New(err.Error()) // the usual advice, to sign in, would be no help here
	}
	if err != nil {
		return err
	}
	account, err := client.Account(ctx)
	if err != nil {
		return err
	}
	all.Current = c.name(base)
	all.Contexts[all.Current] = signedIn{
		URL: base, Email: account.Email, Team: account.Team.Name, Token: token.AccessToken,
		Expires: time.Now().Add(time.Duration(token.ExpiresIn) * time.Second).UTC().Truncate(time.Second),
	}
	if err := all.save(); err != nil {
		return err
	}
	fmt.Printf("Signed in at %s as %s, %s of the team %s. The context is called %s.\n",
		base, clean(account.Email), account.Role, clean(account.Team.Name), all.Current)
	return nil
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

// proof asks for what is missing of email and password. The password comes from
// MUSTER_PASSWORD, from the terminal unseen, or from the first line of standard input.
func (c *loginCmd) proof(ctx context.Context, known string) (email, password string, err error) {
	email = cmp.Or(c.Email, known)
	terminal := term.IsTerminal(int(os.Stdin.Fd()))
	if email == "" {
		if !terminal {
			return "", "", wrongUse("who signs in? Add --email")
		}
		fmt.Fprint(os.Stderr, "Email: ")
		if email, err = readLine(ctx); err != nil {
			return "", "", err
		}
	}
	if password = os.Getenv("MUSTER_PASSWORD"); password != "" {
		return email, password, nil
	}
	if !terminal {
		password, err = readLine(ctx)
		return email, password, err
	}
	fmt.Fprintf(os.Stderr, "Password of %s: ", clean(email))
	typed, err := readSecret(ctx)
	fmt.Fprintln(os.Stderr)
	return email, typed, err
}

// readSecret reads a line of the terminal without showing it. It puts the terminal right
// again when ctx ends first.
func readSecret(ctx context.Context) (string, error) {
	fd := int(os.Stdin.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return "", err
	}
	type result struct {
		text []byte
		err  error
	}
	read := make(chan result, 1)
	go func() { // left behind when ctx ends; only the end of the process ends it
		text, err := term.ReadPassword(fd)
		read <- result{text, err}
	}()
	select {
	case r := <-read:
		return string(r.text), r.err
	case <-ctx.Done():
		return "", errors.Join(ctx.Err(), term.Restore(fd, before))
	}
}

type logoutCmd struct {
	Context string `help:"Context to end; the current one where left out." env:"MUSTER_CONTEXT" placeholder:"NAME"`
}

// Run ends the token at the server and forgets the context, also where the server can't
// be told.
func (c *logoutCmd) Run(ctx context.Context) error {
	all, err := loadContexts()
	if err != nil {
		return err
	}
	name := cmp.Or(c.Context, all.Current)
	found, ok := all.Contexts[name]
	if !ok {
		return wrongUse("there is no context %q to sign out of: muster context lists them", name)
	}
	err = api.NewClient(found.URL, found.Token).SignOut(ctx)
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
