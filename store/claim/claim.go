// Package claim gives out ids and unique names in Redis.
package claim

import (
	"context"
	_ "embed"
	"errors"
	"strconv"

	"github.com/redis/go-redis/v9"

	"github.com/muster-iot/muster/store/pipeline"
)

var (
	//go:embed claim.lua
	claimSource string
	//go:embed unclaim.lua
	unclaimSource string

	claimScript   = pipeline.NewScript(claimSource)
	unclaimScript = pipeline.NewScript(unclaimSource)
)

// Scripts are those the pipeline must know.
func Scripts() []*pipeline.Script { return []*pipeline.Script{claimScript, unclaimScript} }

// Claims are the counters and names of one Redis. It is safe for concurrent use.
type Claims struct{ redis *pipeline.Pipeline }

// New returns the claims of p.
func New(p *pipeline.Pipeline) *Claims { return &Claims{redis: p} }

// Next returns the next id of the counter in key. A retry may skip one.
func (c *Claims) Next(ctx context.Context, key string) (uint32, error) {
	var sent *redis.IntCmd
	err := c.redis.Do(ctx, key, func(p redis.Pipeliner) redis.Cmder {
		sent = p.Incr(context.Background(), key)
		return sent
	})
	if err != nil {
		return 0, err
	}
	return uint32(sent.Val()), nil
}

// Claim makes owner the owner of a unique name's key and reports whether it is now.
func (c *Claims) Claim(ctx context.Context, key string, owner uint32) (bool, error) {
	text := strconv.FormatUint(uint64(owner), 10)
	reply, err := c.redis.Run(ctx, claimScript, []string{key}, text)
	return reply == text, err
}

// Unclaim frees the name if owner has it.
func (c *Claims) Unclaim(ctx context.Context, key string, owner uint32) error {
	_, err := c.redis.Run(ctx, unclaimScript, []string{key}, strconv.FormatUint(uint64(owner), 10))
	return err
}

// Owner returns the owner of a name's key, 0 if there is none.
func (c *Claims) Owner(ctx context.Context, key string) (uint32, error) {
	text, err := pipeline.Fetch(ctx, c.redis, key, func(p redis.Pipeliner) pipeline.Result[string] {
		return p.Get(context.Background(), key)
	})
	if errors.Is(err, redis.Nil) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	owner, _ := strconv.ParseUint(text, 10, 32) // written by Claim
	return uint32(owner), nil
}
