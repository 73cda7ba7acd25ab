package pipeline

import (
	"context"
	"crypto/sha1" // what Redis names scripts by, not a protection
	"encoding/hex"

	"github.com/redis/go-redis/v9"
)

// Script is a Lua script, which Redis carries out atomically.
type Script struct {
	// SHA names the script in Redis.
	SHA    string
	source string
	asks   bool
}

// NewScript returns the script with this text.
func NewScript(source string) *Script {
	sum := sha1.Sum([]byte(source))
	return &Script{SHA: hex.EncodeToString(sum[:]), source: source}
}

// NewScriptAskingRetry returns a script whose first argument, which Run adds, is "1" if it may
// have been carried out before, else "0".
func NewScriptAskingRetry(source string) *Script {
	s := NewScript(source)
	s.asks = true
	return s
}

// Queue adds a run of the script to a trip, for an Operation; again is Queue's there. The first argument of a
// script that asks for it is set here.
func (s *Script) Queue(p redis.Pipeliner, again bool, keys []string, args []any) *redis.Cmd {
	if s.asks {
		args[0] = "0"
		if again {
			args[0] = "1"
		}
	}
	return p.EvalSha(context.Background(), s.SHA, keys, args...)
}

// load loads scripts into the Redis of c.
func load(ctx context.Context, c redis.Cmdable, scripts []*Script) error {
	if len(scripts) == 0 {
		return nil
	}
	pipe := c.Pipeline()
	for _, s := range scripts {
		pipe.ScriptLoad(ctx, s.source)
	}
	return Exec(ctx, pipe)
}
