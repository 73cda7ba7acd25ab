package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/api/client"
	"github.com/muster-iot/muster/fleet"
)

// localServer is where a server with its defaults listens.
const localServer = "http://127.0.0.1:8080"

// tokenVariable overrides the token of every context. It is no flag on purpose: a
// command line is for everyone on the machine to read.
const tokenVariable = "MUSTER_TOKEN" //nolint:gosec // the name of a variable

// remote is embedded in every verb that asks a server: which one, and how to show its
// answer.
type remote struct {
	Context string `group:"Server:" help:"Ask the server of this context (see muster context)." env:"MUSTER_CONTEXT" placeholder:"NAME" complete:"context"`
	URL     string `group:"Server:" name:"url" help:"Ask this server, with the token of the context that is signed in there, or with MUSTER_TOKEN." env:"MUSTER_URL" placeholder:"URL"`
	JSON    bool   `group:"Server:" name:"json" help:"Answer in JSON, for programs."`
}

// client is a client of the chosen server. It asks the server nothing yet.
func (r remote) client() (*client.Client, error) {
	all, err := loadContexts()
	if err != nil {
		return nil, err
	}
	base, token, err := r.choose(all)
	if err != nil {
		return nil, err
	}
	return client.New(base, token), nil
}

// choose finds the server and its token. A token goes to no other server than the one
// that made it, unless MUSTER_TOKEN says so.
func (r remote) choose(all *contexts) (base, token string, err error) {
	given := os.Getenv(tokenVariable)
	if r.Context == "" && r.URL != "" {
		base = strings.TrimSuffix(r.URL, "/")
		if given != "" {
			return base, given, nil
		}
		if found, ok := all.at(base); ok {
			return base, found.Token, nil
		}
		return "", "", fmt.Errorf("not signed in at %s: muster login %s, or set %s", base, base, tokenVariable)
	}
	name := r.Context
	if name == "" {
		name = all.Current
	}
	if name != "" {
		found, err := all.find(name)
		return found.URL, cmp.Or(given, found.Token), err
	}
	if given != "" {
		return localServer, given, nil
	}
	return "", "", errors.New("not signed in: muster login URL")
}

// known is the error of a device that is not there, or not for this user to see; none where
// id is empty. It is asked for where a list of what id sent is empty: what a deleted device
// sent stays.
func (r remote) known(ctx context.Context, client *client.Client, id string) error {
	if id == "" {
		return nil
	}
	_, err := client.Device(ctx, id)
	return err
}

// misuse is a mistake in what was typed: exit code 2.
type misuse struct{ text string }

func (m misuse) Error() string { return m.text }

func wrongUse(format string, args ...any) error { return misuse{fmt.Sprintf(format, args...)} }

// productRemote is embedded in verbs that ask a server about one product.
type productRemote struct {
	remote
	productFlag
}

// reach is a client of the chosen server, and the product to ask it about.
func (r productRemote) reach(ctx context.Context) (client *client.Client, product string, err error) {
	if client, err = r.client(); err != nil {
		return nil, "", err
	}
	product, err = r.product(ctx, client)
	return client, product, err
}

// productFlag chooses a product.
type productFlag struct {
	Product string `short:"p" help:"Product, by slug or id; not needed where the team has only one." env:"MUSTER_PRODUCT" placeholder:"SLUG" complete:"product"`
}

// product is the one that was named, or the only one there is.
func (p productFlag) product(ctx context.Context, client *client.Client) (string, error) {
	if p.Product != "" {
		return p.Product, nil
	}
	all, err := client.Products(ctx)
	if err != nil {
		return "", err
	}
	switch len(all) {
	case 0:
		return "", errors.New("the team has no product yet: muster product create NAME")
	case 1:
		return strconv.FormatUint(uint64(all[0].ID), 10), nil
	}
	slugs := make([]string, len(all))
	for i, one := range all {
		slugs[i] = one.Slug
	}
	return "", wrongUse("which product? Add --product with one of %s, or set MUSTER_PRODUCT", strings.Join(slugs, ", "))
}

// versionText is a firmware version on the command line.
type versionText struct{ fleet.Version }

// UnmarshalText reads 7 or 1.4.0-rc.1.
func (v *versionText) UnmarshalText(text []byte) (err error) {
	v.Version, err = fleet.ParseVersion(string(text))
	return err
}

func (v versionText) wire() api.Version { return api.Version{Version: v.Version} }

// moment is a point in time on the command line.
type moment struct{ time.Time }

// UnmarshalText reads RFC 3339, or how long ago it was.
func (m *moment) UnmarshalText(text []byte) (err error) {
	if m.Time, err = time.Parse(time.RFC3339, string(text)); err == nil {
		return nil
	}
	var ago span
	if err := ago.UnmarshalText(text); err != nil {
		return fmt.Errorf("%q is no time: use 2026-07-01T12:00:00Z, or how long ago as in 2h or 7d", text)
	}
	m.Time = time.Now().Add(-time.Duration(ago))
	return nil
}

// upTo collects pages until there are limit rows, all when limit is 0, and reports
// whether there are more.
func upTo[T any](limit int, page func(after string, rows int) (api.Page[T], error)) (all []T, more bool, err error) {
	const most = 100 // rows of one page
	all = []T{}
	for after := ""; ; {
		rows := most
		if limit > 0 {
			rows = min(most, limit-len(all))
		}
		got, err := page(after, rows)
		if err != nil {
			return all, false, err
		}
		all = append(all, got.Items...)
		after = got.Next
		if after == "" || limit > 0 && len(all) >= limit {
			return all, after != "", nil
		}
	}
}
