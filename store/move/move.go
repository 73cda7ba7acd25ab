// Package move copies a store from one Redis to another one, which may be a Cluster.
package move

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"slices"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/muster-iot/muster/store/identity"
	"github.com/muster-iot/muster/store/keys"
	"github.com/muster-iot/muster/store/pipeline"
	"github.com/muster-iot/muster/store/require"
)

// Move moves a store to another Redis. Nobody else may use the store meanwhile.
type Move struct {
	ID       string
	From, To *pipeline.Pipeline
	// Leave sets the layout of the store where it was.
	Leave func(ctx context.Context, c redis.Cmdable, layout string) error
	// Say is called with sentences about what is done.
	Say func(format string, args ...any)

	seed maphash.Seed
	seen map[uint64]struct{} // hashes of the keys that From has
}

// answersWithin is how long Connect waits.
const answersWithin = 15 * time.Second

// Connect returns a pipeline to the Redis at a URL, which must be one that Muster can use. The caller
// must close it.
func Connect(ctx context.Context, url string, log *slog.Logger) (*pipeline.Pipeline, error) {
	target, err := pipeline.Parse(url)
	if err != nil {
		return nil, err
	}
	p := pipeline.New(target, log, nil, pipeline.Guard{})
	soon, cancel := context.WithTimeout(ctx, answersWithin)
	defer cancel()
	if err := require.Await(soon, p, log); err != nil {
		p.Close()
		return nil, fmt.Errorf("the Redis of --to: %w", err)
	}
	require.Warn(ctx, p, 0, log)
	return p, nil
}

// Run moves the store. It may be ended at any time and run again: it copies everything then, and
// removes what is no longer there.
func (s *Move) Run(ctx context.Context) error {
	s.seed, s.seen = maphash.MakeSeed(), map[uint64]struct{}{}
	from, err := s.From.Master(keys.Store)
	if err != nil {
		return pipeline.Explain(err)
	}
	to, err := s.To.Master(keys.Store)
	if err != nil {
		return pipeline.Explain(err)
	}
	at, err := from.HMGet(ctx, keys.Store, "layout", "term").Result()
	if err != nil {
		return pipeline.Explain(err)
	}
	done, err := s.begin(ctx, to, at[0] == identity.Moved)
	if err != nil {
		return err
	}
	if done {
		s.Say("the store has moved there already: nothing to do")
		return s.raise(ctx, to, at[1])
	}
	for _, step := range []func(context.Context) error{s.copy, s.prune, s.check} {
		if err := step(ctx); err != nil {
			return fmt.Errorf("%w; nothing is lost: run muster store move again", err)
		}
	}
	// The store is nowhere usable in between, so that no two servers use it.
	if err := s.Leave(ctx, from, identity.Moved); err != nil {
		return err
	}
	if err := to.HSet(ctx, keys.Store, "layout", identity.Current, "term", at[1]).Err(); err != nil {
		return err
	}
	s.Say("the store has moved: let redis.url (--redis) name the new Redis, and keep the data folder")
	return nil
}

// begin looks whether the store may be moved to To, and claims that for it. moved is whether From
// was left already.
func (s *Move) begin(ctx context.Context, to pipeline.Master, moved bool) (done bool, err error) {
	at, err := to.HMGet(ctx, keys.Store, "id", "layout").Result()
	if err != nil {
		return false, pipeline.Explain(err)
	}
	switch {
	case at[0] == s.ID && at[1] == identity.Arriving:
		s.Say("a move of this store was begun: beginning again")
		return false, nil
	case at[0] == s.ID && moved && at[1] == identity.Current:
		return true, nil
	case at[0] == s.ID:
		return false, errors.New("the Redis of --to is that of this store, or a copy of it: name another one, or empty it")
	case at[0] != nil:
		return false, errors.New("the Redis of --to holds another store: name an empty one")
	}
	for _, c := range s.To.Masters() {
		n, err := c.DBSize(ctx).Result()
		if err != nil {
			return false, pipeline.Explain(err)
		}
		if n > 0 {
			return false, fmt.Errorf("the Redis of --to is not empty: it has %d keys; name an empty one", n)
		}
	}
	// The field epoch keeps releases of layout 1 out, as in identity.
	return false, to.HSet(ctx, keys.Store, "id", s.ID, "layout", identity.Arriving, "epoch", "newer").Err()
}

// raise makes up for this process having taken the store where it was: else its data folder would
// have seen a later term than the moved store has.
func (s *Move) raise(ctx context.Context, to pipeline.Master, term any) error {
	seen, _ := term.(string)
	took, err := strconv.Atoi(seen)
	if err != nil {
		return fmt.Errorf("the store's term is %.20q, which is not a number", seen)
	}
	if now, err := to.HGet(ctx, keys.Store, "term").Int(); err != nil || now >= took {
		return err
	}
	return to.HSet(ctx, keys.Store, "term", took).Err()
}

// batch is how many keys are read in one trip.
const batch = 200

// stays reports whether a key is of the Redis it is in, and not copied.
func stays(name string) bool {
	return name == keys.Store || name == keys.Lease || slices.Contains(keys.Marks[:], name)
}

// each calls take with the names of all keys of p, some at a time: of keys that may be large, one.
func each(ctx context.Context, p *pipeline.Pipeline, take func(c redis.Cmdable, names []string) error) error {
	return p.Scan(ctx, "*", batch, func(c redis.Cmdable, names []string) error {
		var small []string
		for _, name := range names {
			switch kind := keys.Kind(name); {
			case stays(name):
			case kind == "d", kind == "h", kind == "o", kind == "k", kind == "e":
				small = append(small, name)
			default:
				if err := take(c, []string{name}); err != nil {
					return err
				}
			}
		}
		if len(small) == 0 {
			return nil
		}
		return take(c, small)
	}, func(error) bool { return false })
}

// by sorts names by the master of p that holds them.
func by(p *pipeline.Pipeline, names []string) (map[redis.Cmdable][]string, error) {
	sorted := map[redis.Cmdable][]string{}
	for _, name := range names {
		m, err := p.Master(name)
		if err != nil {
			return nil, pipeline.Explain(err)
		}
		sorted[m.Cmdable] = append(sorted[m.Cmdable], name)
	}
	return sorted, nil
}

const sayEvery = 5 * time.Second

// progress returns a function that says now and then how much is done.
func (s *Move) progress(what string) func(done int) {
	last := time.Now()
	return func(done int) {
		if time.Since(last) >= sayEvery {
			last = time.Now()
			s.Say("%s %d keys", what, done)
		}
	}
}
