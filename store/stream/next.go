package stream

import (
	"context"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// Next makes the record that follows a head, and the head after it. It is called in the order in which records
// are appended, and must not wait.
type Next func(head string) (record, after string, err error)

// heads are texts in Redis, by their keys, as the records sent last leave them. One may be wrong: another process
// appends too, or what was sent failed. Then it is replaced when Redis says what the head is. heads is safe for
// concurrent use.
type heads struct {
	mu   sync.Mutex
	last map[string]string // one of each chain that this process has appended to; guarded by mu
}

func (h *heads) get(key string) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.last[key]
}

func (h *heads) set(key, head string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.last[key] = head
}

// AppendNext appends the record that next makes of a head, a text in a key with the tag of the stream's, ""
// if it is absent; the head moves in the same step. Records that are appended at the same time share trips. An
// error of next is returned.
func (s *Streams) AppendNext(ctx context.Context, key Key, head string, at time.Time, owner string, size int, next Next) error {
	for {
		op := &appendNext{head: head, heads: &s.heads, next: next, keys: append(key.Names(), head), args: s.arguments(key, at, owner, size)}
		if err := s.redis.Write(ctx, op); err != nil || op.done {
			return err
		}
	}
}

// appendNext is one try to append after the head that is expected.
type appendNext struct {
	head  string
	heads *heads
	next  Next
	keys  []string
	args  []any // see append.lua
	sent  *redis.Cmd
	err   error // of next
	done  bool
}

func (a *appendNext) Key() string { return a.keys[0] }

// Queue implements pipeline.Operation. What was sent before is sent as it was: it may have been carried out.
func (a *appendNext) Queue(p redis.Pipeliner, again bool) {
	if a.sent == nil {
		seen := a.heads.get(a.head)
		record, after, err := a.next(seen)
		if err != nil {
			a.err = err
			return
		}
		a.args[recorded] = record
		a.args = append(a.args, seen, after)
		a.heads.set(a.head, after)
	}
	a.sent = Script.Queue(p, again, a.keys, a.args)
}

// Settle implements pipeline.Operation.
func (a *appendNext) Settle(bool) error {
	if a.err != nil {
		return a.err
	}
	reply, err := a.sent.Result()
	if err != nil {
		return err
	}
	if other, moved := reply.([]any); moved && len(other) == 1 {
		head, _ := other[0].(string)
		a.heads.set(a.head, head)
		return nil
	}
	a.done = true
	return nil
}
