package pipeline

import (
	"context"
	"errors"

	"github.com/redis/go-redis/v9"
)

// Operation is what one caller does in Redis, in one trip. Its methods run on the batcher's
// goroutine, so that a caller's goroutine keeps its small stack.
type Operation interface {
	// Key returns a key of the operation: in a Cluster, the master that holds it carries the
	// operation out. All keys of an operation must have one tag.
	Key() string
	// Queue adds the operation's commands to the trip. again reports whether they were sent
	// before and may have been carried out.
	Queue(p redis.Pipeliner, again bool)
	// Settle reads the replies. After a Transient error the operation joins the next trip.
	Settle(again bool) error
}

// Doubtful is an Operation that is notified when its outcome stays unknown.
type Doubtful interface {
	// Doubt is called instead of Settle, from any goroutine: the operation failed as
	// fleet.Unavailable, but Redis may have carried it out, or may still do so.
	Doubt()
}

// Read carries out op together with other reads. It returns the error of op, or
// fleet.Unavailable when ctx ends first, the pipeline is closed or Redis does not answer; op
// may have been carried out then. The caller must not use op after an error.
func (p *Pipeline) Read(ctx context.Context, op Operation) error { return p.do(ctx, reads, op) }

// Write carries out op together with other writes: outside of a Cluster, all of a trip or none.
// Its errors are those of Read.
func (p *Pipeline) Write(ctx context.Context, op Operation) error { return p.do(ctx, writes, op) }

// errUnanswered is the error of a command that was not sent, or has no reply.
var errUnanswered = errors.New("no reply")

// Exec sends the commands of p and returns the first error. Unlike p.Exec it leaves no command
// without a reply and without an error: go-redis does when Redis refuses to set a connection up,
// for example because it requires a password, and the command would look like one that found
// nothing, or was carried out.
func Exec(ctx context.Context, p redis.Pipeliner) error {
	for _, c := range p.Cmds() {
		c.SetErr(errUnanswered)
	}
	commands, err := p.Exec(ctx)
	for _, c := range commands {
		if errors.Is(c.Err(), errUnanswered) && err != nil {
			c.SetErr(err)
		}
		if c.Err() != redis.Nil && errors.Is(c.Err(), redis.Nil) { //nolint:errorlint // wrapped, it is that of a connection
			c.SetErr(errNoSuchMaster)
		}
	}
	return err
}

// Result is a go-redis command whose reply is a T.
type Result[T any] interface{ Result() (T, error) }

// fetch is an operation of one command that reads.
type fetch[T any] struct {
	key   string
	send  func(p redis.Pipeliner) Result[T]
	sent  Result[T]
	value T
}

func (f *fetch[T]) Key() string { return f.key }

func (f *fetch[T]) Queue(p redis.Pipeliner, _ bool) { f.sent = f.send(p) }

func (f *fetch[T]) Settle(bool) (err error) {
	f.value, err = f.sent.Result()
	return err
}

// Fetch carries out one command that reads key. For an absent key some commands return redis.Nil.
func Fetch[T any](ctx context.Context, p *Pipeline, key string, send func(p redis.Pipeliner) Result[T]) (value T, err error) {
	f := &fetch[T]{key: key, send: send}
	if err := p.Read(ctx, f); err != nil {
		return value, err
	}
	return f.value, nil
}

// command is an operation of one command that writes.
type command struct {
	key  string
	send func(p redis.Pipeliner) redis.Cmder
	sent redis.Cmder
}

func (c *command) Key() string { return c.key }

func (c *command) Queue(p redis.Pipeliner, _ bool) { c.sent = c.send(p) }
func (c *command) Settle(bool) error               { return c.sent.Err() }

// Do carries out one command that writes key and may be carried out twice.
func (p *Pipeline) Do(ctx context.Context, key string, send func(p redis.Pipeliner) redis.Cmder) error {
	return p.Write(ctx, &command{key: key, send: send})
}

// scriptRun is an operation of one script.
type scriptRun struct {
	script *Script
	keys   []string
	args   []any
	after  func(p redis.Pipeliner) // adds to its trip; nil: nothing
	sent   *redis.Cmd
	reply  any
}

func (r *scriptRun) Key() string { return r.keys[0] }

func (r *scriptRun) Queue(p redis.Pipeliner, again bool) {
	r.sent = r.script.Queue(p, again, r.keys, r.args)
	if r.after != nil {
		r.after(p)
	}
}

func (r *scriptRun) Settle(bool) (err error) {
	r.reply, err = r.sent.Result()
	return err
}

// Run carries out a script and returns its reply.
func (p *Pipeline) Run(ctx context.Context, s *Script, keys []string, args ...any) (reply any, err error) {
	return p.run(ctx, s, nil, keys, args)
}

// RunWith runs a script that replies with a number; after adds more to its trip, on keys with the same tag.
func (p *Pipeline) RunWith(ctx context.Context, s *Script, after func(redis.Pipeliner), keys []string, args ...any) (int64, error) {
	reply, err := p.run(ctx, s, after, keys, args)
	status, _ := reply.(int64)
	return status, err
}

func (p *Pipeline) run(ctx context.Context, s *Script, after func(redis.Pipeliner), keys []string, args []any) (reply any, err error) {
	if s.asks {
		args = append([]any{"0"}, args...)
	}
	op := &scriptRun{script: s, keys: keys, args: args, after: after}
	if err := p.Write(ctx, op); err != nil {
		return nil, err
	}
	return op.reply, nil
}

// RunStatus runs a script that replies with a number.
func (p *Pipeline) RunStatus(ctx context.Context, s *Script, keys []string, args ...any) (int64, error) {
	reply, err := p.Run(ctx, s, keys, args...)
	status, _ := reply.(int64)
	return status, err
}
