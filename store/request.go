package store

import (
	"context"
	"errors"
	"strconv"

	"github.com/redis/go-redis/v9"
)

// result is a go-redis command with a reply of type T.
type result[T any] interface{ Result() (T, error) }

// fetch is an operation of one read command.
type fetch[T any] struct {
	send  func(p redis.Pipeliner) result[T]
	sent  result[T]
	value T
}

func (f *fetch[T]) queue(p redis.Pipeliner, _ bool) { f.sent = f.send(p) }

func (f *fetch[T]) settle(bool) (err error) {
	f.value, err = f.sent.Result()
	return err
}

// read carries out one read command. An absent key is redis.Nil where the command says so.
func read[T any](ctx context.Context, c *core, send func(p redis.Pipeliner) result[T]) (T, error) {
	f := &fetch[T]{send: send}
	if err := c.reads.do(ctx, f); err != nil {
		var zero T
		return zero, err
	}
	return f.value, nil
}

// call is an operation of one script.
type call struct {
	script *script
	keys   []string
	args   []any
	tells  bool // the script's first argument says whether it was tried before
	sent   *redis.Cmd
	reply  any
}

// background is what pipelined commands get as a context; the trip's own bounds them.
var background = context.Background()

func (c *call) queue(p redis.Pipeliner, again bool) {
	if c.tells {
		c.args[0] = "0"
		if again {
			c.args[0] = "1"
		}
	}
	c.sent = p.EvalSha(background, c.script.sha, c.keys, c.args...)
}

func (c *call) settle(bool) (err error) {
	c.reply, err = c.sent.Result()
	return err
}

// run carries out one script and returns its reply.
func (c *core) run(ctx context.Context, s *script, keys []string, args ...any) (any, error) {
	op := &call{script: s, keys: keys, args: args}
	if err := c.writes.do(ctx, op); err != nil {
		return nil, err
	}
	return op.reply, nil
}

// runStatus is run for a script that answers with a number.
func (c *core) runStatus(ctx context.Context, s *script, keys []string, args ...any) (int64, error) {
	reply, err := c.run(ctx, s, keys, args...)
	status, _ := reply.(int64)
	return status, err
}

// command is an operation of one write command that may be carried out twice.
type command struct {
	send func(p redis.Pipeliner) redis.Cmder
	sent redis.Cmder
}

func (c *command) queue(p redis.Pipeliner, _ bool) { c.sent = c.send(p) }
func (c *command) settle(bool) error               { return c.sent.Err() }

// write carries out one write command that may be carried out twice.
func (c *core) write(ctx context.Context, send func(p redis.Pipeliner) redis.Cmder) error {
	return c.writes.do(ctx, &command{send: send})
}

// next gives out the next id of a kind. A retry may skip one.
func (c *core) next(ctx context.Context, kind string) (uint32, error) {
	op := &command{send: func(p redis.Pipeliner) redis.Cmder { return p.Incr(background, counterKey(kind)) }}
	if err := c.writes.do(ctx, op); err != nil {
		return 0, err
	}
	return uint32(op.sent.(*redis.IntCmd).Val()), nil
}

// claim makes owner the owner of a unique name's key, or reports that another is.
func (c *core) claim(ctx context.Context, key string, owner uint32) (bool, error) {
	text := strconv.FormatUint(uint64(owner), 10)
	reply, err := c.run(ctx, claimScript, []string{key}, text)
	return reply == text, err
}

// unclaim gives the name back if owner has it.
func (c *core) unclaim(ctx context.Context, key string, owner uint32) error {
	_, err := c.run(ctx, unclaimScript, []string{key}, strconv.FormatUint(uint64(owner), 10))
	return err
}

// owner returns who has claimed key, 0 for nobody.
func (c *core) owner(ctx context.Context, key string) (uint32, error) {
	text, err := read(ctx, c, func(p redis.Pipeliner) result[string] { return p.Get(background, key) })
	if errors.Is(err, redis.Nil) {
		return 0, nil
	}
	return uint32(decimal(text)), err
}

// decimal is 0 for a text that is no number.
func decimal(s string) uint64 {
	n, _ := strconv.ParseUint(s, 10, 64)
	return n
}
