package migrate

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strconv"

	"github.com/redis/go-redis/v9"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/store/keys"
	"github.com/muster-iot/muster/store/pipeline"
)

//go:embed rename.lua
var renameSource string

// devices gives the keys of every device their names of layout 3, each device in one step.
func (s *Migration) devices(ctx context.Context, total int) (renamed int, err error) {
	progress := s.progress("renamed", total)
	script := redis.NewScript(renameSource)
	for _, c := range s.Redis.Masters() {
		if err := script.Load(ctx, c).Err(); err != nil {
			return 0, err
		}
	}
	err = s.each(ctx, func(c redis.Cmdable, names []string) error {
		pipe := c.Pipeline()
		sent := map[fleet.DeviceID]*redis.Cmd{}
		for _, name := range names {
			if id, old := keys.FromLayout2(name); old && sent[id] == nil {
				from := keys.OfLayout2(id)
				sent[id] = script.EvalSha(ctx, pipe, []string{from.Record, from.History, from.Outbox, keys.Holders(id)}, id.String())
			}
		}
		if len(sent) == 0 {
			return nil
		}
		_ = pipeline.Exec(ctx, pipe) // each reply has its own error
		for id, reply := range sent {
			n, err := reply.Int()
			switch {
			case err != nil:
				return fmt.Errorf("renaming the keys of device %s: %w; run muster store migrate again", id, err)
			case n < 0:
				return bothNames("device " + id.String())
			}
			renamed += n
		}
		progress(renamed)
		return nil
	})
	return renamed, err
}

// bothNames is the error about something with its old and its new name.
func bothNames(what string) error {
	return fmt.Errorf("%s can't be renamed: it exists with its new name, too, so that an older release has used the store since it was migrated; restore the backup", what)
}

// slugs gives every slug its key of layout 3, by the products that have them, and removes the
// older keys. A slug whose product was never completed is free afterwards.
func (s *Migration) slugs(ctx context.Context) error {
	err := s.each(ctx, func(c redis.Cmdable, names []string) error {
		for _, name := range names {
			if keys.Kind(name) != "p" {
				continue
			}
			fields, err := c.HGetAll(ctx, name).Result()
			if err != nil && pipeline.Transient(err) {
				return err
			}
			p, unreadable := s.Product(fields)
			if err != nil || unreadable != nil || p.Team == 0 || p.Slug == "" {
				continue
			}
			if err := s.claim(ctx, p); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return s.each(ctx, func(c redis.Cmdable, names []string) error {
		var old []string
		for _, name := range names {
			if keys.FromOlderSlug(name) {
				old = append(old, name)
			}
		}
		pipe := c.Pipeline() // one by one: they are in many slots
		for _, name := range old {
			pipe.Del(ctx, name)
		}
		return pipeline.Exec(ctx, pipe)
	})
}

// claim writes the slug of p, unless the older key says that another product has taken it.
func (s *Migration) claim(ctx context.Context, p fleet.Product) error {
	older, id := keys.OlderSlug(p.Slug), strconv.FormatUint(uint64(p.ID), 10)
	owner, err := pipeline.Fetch(ctx, s.Redis, older, func(c redis.Pipeliner) pipeline.Result[string] { return c.Get(context.Background(), older) })
	if err != nil && !errors.Is(err, redis.Nil) {
		return err
	}
	if owner != "" && owner != id {
		return nil
	}
	key := keys.Slug(p.Team, p.Slug)
	return s.Redis.Do(ctx, key, func(c redis.Pipeliner) redis.Cmder { return c.SetNX(context.Background(), key, id, 0) })
}
