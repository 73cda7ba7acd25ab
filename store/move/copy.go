package move

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/muster-iot/muster/store/pipeline"
)

// copied is a key as DUMP returns it.
type copied struct {
	value string
	ttl   time.Duration // 0: none
}

// copy copies all keys, over what To has.
func (s *Move) copy(ctx context.Context) error {
	progress := s.progress("copied")
	err := each(ctx, s.From, func(c redis.Cmdable, names []string) error {
		read, err := dump(ctx, c, names)
		if err != nil {
			return err
		}
		masters, err := by(s.To, names)
		if err != nil {
			return err
		}
		for to, names := range masters {
			pipe := to.Pipeline()
			for _, name := range names {
				if k, there := read[name]; there {
					pipe.RestoreReplace(ctx, name, k.ttl, k.value)
					s.seen[maphash.String(s.seed, name)] = struct{}{}
				}
			}
			if pipe.Len() == 0 {
				continue
			}
			if err := pipeline.Exec(ctx, pipe); err != nil {
				return fmt.Errorf("writing to the Redis of --to, which must not be older than the other one: %w", err)
			}
		}
		progress(len(s.seen))
		return nil
	})
	if err == nil {
		s.Say("copied %d keys", len(s.seen))
	}
	return err
}

// dump reads keys, without those that have expired.
func dump(ctx context.Context, c redis.Cmdable, names []string) (map[string]copied, error) {
	pipe := c.Pipeline()
	values, ttls := make([]*redis.StringCmd, len(names)), make([]*redis.DurationCmd, len(names))
	for i, name := range names {
		values[i], ttls[i] = pipe.Dump(ctx, name), pipe.PTTL(ctx, name)
	}
	_ = pipeline.Exec(ctx, pipe) // each reply has its own error
	read := make(map[string]copied, len(names))
	for i, name := range names {
		value, err := values[i].Result()
		if errors.Is(err, redis.Nil) {
			continue
		}
		ttl, ttlErr := ttls[i].Result()
		if err := errors.Join(err, ttlErr); err != nil {
			return nil, err
		}
		read[name] = copied{value, max(ttl, 0)}
	}
	return read, nil
}

// prune removes what To has of an earlier try and From has no longer.
func (s *Move) prune(ctx context.Context) error {
	return each(ctx, s.To, func(c redis.Cmdable, names []string) error {
		for _, name := range names {
			if _, known := s.seen[maphash.String(s.seed, name)]; known {
				continue
			}
			if err := c.Del(ctx, name).Err(); err != nil {
				return err
			}
		}
		return nil
	})
}

// check compares the digests of all values, and how many there are.
func (s *Move) check(ctx context.Context) error {
	progress, checked, there := s.progress("checked"), map[uint64]struct{}{}, map[uint64]struct{}{}
	err := each(ctx, s.From, func(c redis.Cmdable, names []string) error {
		want, err := s.digests(ctx, c, names)
		if err != nil {
			return err
		}
		masters, err := by(s.To, names)
		if err != nil {
			return err
		}
		for to, names := range masters {
			got, err := s.digests(ctx, to, names)
			if err != nil {
				return err
			}
			for _, name := range names {
				checked[maphash.String(s.seed, name)] = struct{}{}
				if got[name] != want[name] {
					return fmt.Errorf("%s differs from its copy: something else writes to one of the two", name)
				}
			}
		}
		progress(len(checked))
		return nil
	})
	if err != nil {
		return err
	}
	err = each(ctx, s.To, func(_ redis.Cmdable, names []string) error {
		for _, name := range names {
			there[maphash.String(s.seed, name)] = struct{}{}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for sum := range there {
		if _, known := checked[sum]; !known {
			return fmt.Errorf("the copy has %d keys, the store %d: something else writes to one of the two", len(there), len(checked))
		}
	}
	s.Say("checked: the values of all %d keys are equal", len(checked))
	return nil
}
