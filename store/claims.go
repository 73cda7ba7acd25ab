package store

import (
	"context"
	"strconv"

	"github.com/redis/go-redis/v9"

	"github.com/muster-iot/muster/store/pipeline"
)

// next returns the next id of a kind. A retry may skip one.
func (c *core) next(ctx context.Context, kind string) (uint32, error) {
	var sent *redis.IntCmd
	err := c.Do(ctx, func(p redis.Pipeliner) redis.Cmder {
		sent = p.Incr(context.Background(), counterKey(kind))
		return sent
	})
	if err != nil {
		return 0, err
	}
	return uint32(sent.Val()), nil
}

// claim makes owner the owner of a unique name's key and reports whether it is now.
func (c *core) claim(ctx context.Context, key string, owner uint32) (bool, error) {
	text := strconv.FormatUint(uint64(owner), 10)
	reply, err := c.Run(ctx, claimScript, []string{key}, text)
	return reply == text, err
}

// unclaim frees the name if owner has it.
func (c *core) unclaim(ctx context.Context, key string, owner uint32) error {
	_, err := c.Run(ctx, unclaimScript, []string{key}, strconv.FormatUint(uint64(owner), 10))
	return err
}

// owner returns the owner of key, 0 if there is none.
func (c *core) owner(ctx context.Context, key string) (uint32, error) {
	text, err := pipeline.Fetch(ctx, c.Pipeline, func(p redis.Pipeliner) pipeline.Result[string] {
		return p.Get(context.Background(), key)
	})
	if absent(err) {
		return 0, nil
	}
	return uint32(decimal(text)), err
}

// decimal returns the number that s is, 0 if it is none.
func decimal(s string) uint64 {
	n, _ := strconv.ParseUint(s, 10, 64)
	return n
}
