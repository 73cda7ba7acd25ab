// Package migrate renames the keys of a store of an older layout to those of this release, and reads every
// record before and after.
package migrate

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/store/keys"
	"github.com/muster-iot/muster/store/pipeline"
)

// Migration renames the keys of a store. Nobody else may use the store meanwhile.
type Migration struct {
	Redis *pipeline.Pipeline
	// First reports whether keys may have the names of layout 1, which one master can have only.
	First bool
	// Product reads the document of a product.
	Product func(fields map[string]string) (fleet.Product, error)
	// Documents read the documents of a kind of key: a team, a user, a product.
	Documents map[string]func(fields map[string]string) error
	// Say is called with sentences about what is done.
	Say func(format string, args ...any)
}

// Run renames the keys. It may be ended at any time and run again. Its error says so where that
// helps; records are readable as before, or it returns an error.
func (s *Migration) Run(ctx context.Context) error {
	before, err := s.Look(ctx)
	if err != nil {
		return err
	}
	s.Say("found %s", before)
	if s.First {
		renamed, err := s.rename(ctx, before.Old)
		if err != nil {
			return err
		}
		s.Say("renamed %d keys of layout 1", renamed)
	}
	renamed, err := s.devices(ctx, before.Old)
	if err != nil {
		return err
	}
	s.Say("renamed %d keys of devices", renamed)
	if err := s.slugs(ctx); err != nil {
		return err
	}
	after, err := s.Look(ctx)
	if err != nil {
		return err
	}
	if difference := before.differs(after); difference != "" {
		return fmt.Errorf("what is in the store has changed meanwhile: %s. Nothing else may write to this Redis; "+
			"restore the backup, and run muster store migrate again", difference)
	}
	s.Say("checked: every record is there and readable as before")
	return nil
}

// batch is how many keys are looked at in one trip.
const batch = 500

// rename renames every key that has the name of layout 1. A key keeps its value and its expiry.
func (s *Migration) rename(ctx context.Context, total int) (renamed int, err error) {
	progress := s.progress("renamed", total)
	err = s.each(ctx, func(c redis.Cmdable, names []string) error {
		pipe := c.Pipeline()
		sent := map[string]*redis.BoolCmd{}
		for _, name := range names {
			if now, old := keys.FromLayout1(name); old {
				sent[name] = pipe.RenameNX(ctx, name, now)
			}
		}
		if len(sent) == 0 {
			return nil
		}
		_, _ = pipe.Exec(ctx) // each reply has its own error
		for name, reply := range sent {
			switch done, err := reply.Result(); {
			case err != nil && strings.HasSuffix(err.Error(), "no such key"): // SCAN returned it twice
			case err != nil:
				return fmt.Errorf("renaming %s: %w; run muster store migrate again", name, err)
			case !done:
				return bothNames(name)
			default:
				renamed++
			}
		}
		progress(renamed)
		return nil
	})
	return renamed, err
}

// each calls take with the names of all keys and the master that has them, some at a time. A name may
// come twice.
func (s *Migration) each(ctx context.Context, take func(c redis.Cmdable, names []string) error) error {
	for _, c := range s.Redis.Masters() {
		for cursor, more := uint64(0), true; more; more = cursor != 0 {
			names, next, err := c.Scan(ctx, cursor, "*", batch).Result()
			if err == nil {
				err = take(c, names)
			}
			if err != nil {
				return err
			}
			cursor = next
		}
	}
	return nil
}

const sayEvery = 5 * time.Second

// progress returns a function that says now and then how much of total is done.
func (s *Migration) progress(what string, total int) func(done int) {
	last := time.Now()
	return func(done int) {
		if time.Since(last) >= sayEvery {
			last = time.Now()
			s.Say("%s %d of about %d keys", what, done, total)
		}
	}
}
