// Package claim gives out ids and names in Redis. A name has one owner, or a few.
package claim

import (
	"context"
	_ "embed"
	"errors"
	"strconv"
	"strings"

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

// Scripts are those the pipeline must load.
func Scripts() []*pipeline.Script {
	return []*pipeline.Script{claimScript, unclaimScript}
}

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

// Claim makes owner one of the owners of a name's key, of which there may be most, and reports
// whether it is now. It may be repeated.
func (c *Claims) Claim(ctx context.Context, key string, owner uint32, most int) (bool, error) {
	reply, err := c.redis.Run(ctx, claimScript, []string{key}, strconv.FormatUint(uint64(owner), 10), most)
	return reply == int64(1), err
}

// Unclaim frees the name for others than owner, if owner has it.
func (c *Claims) Unclaim(ctx context.Context, key string, owner uint32) error {
	_, err := c.redis.Run(ctx, unclaimScript, []string{key}, strconv.FormatUint(uint64(owner), 10))
	return err
}

// Owner returns the oldest owner of a name's key, 0 if there is none.
func (c *Claims) Owner(ctx context.Context, key string) (uint32, error) {
	owners, err := c.Owners(ctx, key)
	if err != nil || len(owners) == 0 {
		return 0, err
	}
	return owners[0], nil
}

// Owners returns the owners of a name's key, oldest first.
func (c *Claims) Owners(ctx context.Context, key string) (owners []uint32, err error) {
	text, err := pipeline.Fetch(ctx, c.redis, key, func(p redis.Pipeliner) pipeline.Result[string] {
		return p.Get(context.Background(), key)
	})
	if errors.Is(err, redis.Nil) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	for one := range strings.SplitSeq(text, ",") {
		owner, _ := strconv.ParseUint(one, 10, 32) // written by the scripts
		owners = append(owners, uint32(owner))
	}
	return owners, nil
}
