// Package migrate renames the keys of a store of layout 1 to those of this release, and reads every
// record before and after.
package migrate

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/muster-iot/muster/store/keys"
)

// Store is a store whose keys are renamed. Nobody else may use it.
type Store struct {
	Redis *redis.Client // its only master
	// Documents read the documents of a kind of key: a team, a user, a product.
	Documents map[string]func(fields map[string]string) error
	// Say is called with sentences about what is done.
	Say func(format string, args ...any)
}

// Run renames the keys. It may be ended at any time and run again. Its error says so where that
// helps; records are readable as before, or it returns an error.
func (s *Store) Run(ctx context.Context) error {
	before, err := s.Look(ctx)
	if err != nil {
		return err
	}
	s.Say("found %s", before)
	renamed, err := s.rename(ctx, before.Old)
	if err != nil {
		return err
	}
	s.Say("renamed %d keys", renamed)
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
func (s *Store) rename(ctx context.Context, total int) (renamed int, err error) {
	progress := s.progress("renamed", total)
	err = s.each(ctx, func(names []string) error {
		pipe := s.Redis.Pipeline()
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
				now, _ := keys.FromLayout1(name)
				return fmt.Errorf("%s can't be renamed: %s exists, too, so that an older release has used the store since it was migrated; restore the backup", name, now)
			default:
				renamed++
			}
		}
		progress(renamed)
		return nil
	})
	return renamed, err
}

// each calls take with the names of all keys, some at a time. A name may come twice.
func (s *Store) each(ctx context.Context, take func(names []string) error) error {
	for cursor := uint64(0); ; {
		names, next, err := s.Redis.Scan(ctx, cursor, "*", batch).Result()
		if err == nil {
			err = take(names)
		}
		if err != nil {
			return err
		}
		if cursor = next; cursor == 0 {
			return nil
		}
	}
}

const sayEvery = 5 * time.Second

// progress returns a function that says now and then how much of total is done.
func (s *Store) progress(what string, total int) func(done int) {
	last := time.Now()
	return func(done int) {
		if time.Since(last) >= sayEvery {
			last = time.Now()
			s.Say("%s %d of about %d keys", what, done, total)
		}
	}
}
