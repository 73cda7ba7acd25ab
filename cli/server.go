package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/muster-iot/muster/api/client"
	"github.com/muster-iot/muster/fleet"
)

// localServer is where a server with default settings listens.
const localServer = "http://127.0.0.1:8080"

// tokenVariable overrides the token of every context. There is deliberately no flag for it:
// everyone on the machine can read a command line.
const tokenVariable = "MUSTER_TOKEN" //nolint:gosec // the name of a variable

// server is the server that a verb asks, as the signed-in user.
type server struct {
	*client.Client
	product string // id or slug; "" for verbs without --product
}

// verb is a command that asks a server: it embeds remote or productRemote.
type verb interface {
	reach(ctx context.Context) (server, error)
	show(v any, draw func(t *table)) error
}

// ask makes one call and shows its result.
func ask[T any](ctx context.Context, v verb, call func(s server) (T, error), draw func(t *table, got T)) error {
	s, err := v.reach(ctx)
	if err != nil {
		return err
	}
	got, err := call(s)
	return answer(v, got, err, draw)
}

// answer shows the result of a call, or returns its error.
func answer[T any](v verb, got T, err error, draw func(t *table, got T)) error {
	if err != nil {
		return err
	}
	return v.show(got, func(t *table) { draw(t, got) })
}

// each makes one call per id and prints done for each that succeeds. It carries on after a
// failure and returns all errors.
func each(ctx context.Context, v verb, ids []string, call func(*client.Client, context.Context, string) error, done string) error {
	s, err := v.reach(ctx)
	if err != nil {
		return err
	}
	return showEach(v, ids, func(id string) (string, error) { return done, call(s.Client, ctx, id) })
}

// showEach runs do once per id and shows what each returned. It carries on after a failure
// and returns all errors.
func showEach(v verb, ids []string, do func(id string) (done string, err error)) error {
	var errs []error
	outcome, failed := map[string]string{}, map[string]bool{}
	for _, id := range ids {
		done, err := do(id)
		if outcome[id] = done; err != nil {
			outcome[id], failed[id] = err.Error(), true
			errs = append(errs, err)
		}
	}
	err := v.show(outcome, func(t *table) {
		for _, id := range ids {
			if !failed[id] {
				t.row(id, outcome[id])
			}
		}
	})
	return errors.Join(append(errs, err)...)
}

// remote is embedded in verbs that ask a server.
type remote struct {
	Context string `group:"Server:" help:"Ask the server of this context (see muster context)." env:"MUSTER_CONTEXT" placeholder:"NAME" complete:"context"`
	URL     string `group:"Server:" name:"url" help:"Ask this server, with the token of a context signed in there or with MUSTER_TOKEN." env:"MUSTER_URL" placeholder:"URL"`
	JSON    bool   `group:"Server:" name:"json" help:"Print JSON, for programs."`
}

// reach returns the chosen server without connecting to it.
func (r remote) reach(context.Context) (server, error) {
	all, err := loadContexts()
	if err != nil {
		return server{}, err
	}
	base, token, err := r.choose(all)
	if err != nil {
		return server{}, err
	}
	return server{Client: client.New(base, token)}, nil
}

// choose finds the server and its token. A token is sent only to the server that issued it,
// unless MUSTER_TOKEN is set.
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
		return "", "", fmt.Errorf("not signed in at %s: run muster login %s, or set %s", base, base, tokenVariable)
	}
	if name := cmp.Or(r.Context, all.Current); name != "" {
		found, err := all.find(name)
		return found.URL, cmp.Or(given, found.Token), err
	}
	if given != "" {
		return localServer, given, nil
	}
	return "", "", errors.New("not signed in: run muster login URL")
}

// productRemote is embedded in verbs that ask a server about one product.
type productRemote struct {
	remote
	productFlag
}

// reach returns the chosen server and product; it asks the server for the product if none
// was named.
func (r productRemote) reach(ctx context.Context) (s server, err error) {
	if s, err = r.remote.reach(ctx); err != nil {
		return s, err
	}
	s.product, err = r.product(ctx, s)
	return s, err
}

// productFlag chooses a product.
type productFlag struct {
	Product string `short:"p" help:"Product, by slug or id; optional if the team has only one." env:"MUSTER_PRODUCT" placeholder:"SLUG" complete:"product"`
}

// product returns the product that was named, or the team's only one.
func (p productFlag) product(ctx context.Context, s server) (string, error) {
	if p.Product != "" {
		return p.Product, nil
	}
	all, err := s.Products(ctx)
	if err != nil {
		return "", err
	}
	switch len(all) {
	case 0:
		return "", errors.New("the team has no product yet: run muster product create NAME")
	case 1:
		return strconv.FormatUint(uint64(all[0].ID), 10), nil
	}
	slugs := make([]string, len(all))
	for i, one := range all {
		slugs[i] = one.Slug
	}
	return "", Misuse("which product? Add --product with one of %s, or set MUSTER_PRODUCT", strings.Join(slugs, ", "))
}

// hasChanged reports whether err is a conflict: what was read has changed since.
func hasChanged(err error) bool {
	var detail *fleet.Error
	return errors.As(err, &detail) && detail.Code == fleet.CodeChanged
}
