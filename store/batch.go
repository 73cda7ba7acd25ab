package store

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/store/record"
)

const (
	maxBatch    = 256             // operations of one trip
	maxWaiting  = 1024            // operations waiting or under way per batcher; more callers wait for a place
	maxPatience = 5 * time.Second // a Redis that is away longer makes operations fail
	tripTimeout = 5 * time.Second // of one trip
)

// operation is what one caller wants of Redis. Both methods run on the batcher's
// goroutine, so that a connection's goroutine keeps its small stack.
type operation interface {
	// queue adds its commands to the trip. again says that they were sent before and
	// may have been carried out.
	queue(p redis.Pipeliner, again bool)
	// settle reads the replies. An error of the transport makes the operation part
	// of the next trip.
	settle(again bool) error
}

// batcher makes one trip to Redis of all operations that wait: group commit. Its tickets
// and their channels are made once, so that callers in a synctest bubble can wait for a
// store that was started outside of it.
type batcher struct {
	client   *redis.Client
	atomic   bool // a trip is one MULTI: carried out in one go, one fsync
	patience time.Duration
	outage   *outage
	free     chan *ticket
	queue    chan *ticket
	closed   chan struct{}
	done     chan struct{}
	down     time.Time // since when trips fail; zero while they succeed

	trips, commands, operations, retries atomic.Uint64
}

type ticket struct {
	op      operation
	outcome chan error
	state   atomic.Int32 // who still uses the ticket
}

const (
	awaited   int32 = iota // the caller waits for the outcome
	abandoned              // the caller is gone: the batcher takes the ticket back
	settled                // the outcome is in the channel
)

func newBatcher(client *redis.Client, atomic bool, o *outage) *batcher {
	b := &batcher{
		client: client, atomic: atomic, patience: maxPatience, outage: o,
		free: make(chan *ticket, maxWaiting), queue: make(chan *ticket, maxWaiting),
		closed: make(chan struct{}), done: make(chan struct{}),
	}
	for range maxWaiting {
		b.free <- &ticket{outcome: make(chan error, 1)}
	}
	return b
}

// do has op carried out and waits for it. It returns the error of op, or one of kind
// Unavailable when ctx ends first, the store is closed or Redis stays away; op may have
// been carried out then. The caller must not touch op after an error.
func (b *batcher) do(ctx context.Context, op operation) error {
	var t *ticket
	select {
	case t = <-b.free:
	case <-ctx.Done():
		return gaveUp(ctx)
	case <-b.closed:
		return errClosed
	}
	t.op = op
	t.state.Store(awaited)
	b.queue <- t // has a place for every ticket
	select {
	case err := <-t.outcome:
		b.free <- t
		return err
	case <-ctx.Done():
		if !t.state.CompareAndSwap(awaited, abandoned) {
			err := <-t.outcome
			b.free <- t
			return err
		}
		return gaveUp(ctx)
	case <-b.done:
		select {
		case err := <-t.outcome:
			return err
		default:
			return errClosed
		}
	}
}

var errClosed = fleet.Errorf(fleet.Unavailable, "the store is closed")

func gaveUp(ctx context.Context) error {
	return fleet.Errorf(fleet.Unavailable, "the store did not answer in time: %w", context.Cause(ctx))
}

// run makes trips until close. What waits then finds the batcher done.
func (b *batcher) run() {
	defer close(b.done)
	batch := make([]*ticket, 0, maxBatch)
	for {
		select {
		case t := <-b.queue:
			batch = append(batch[:0], t)
		case <-b.closed:
			return
		}
		for more := true; more && len(batch) < maxBatch; {
			select {
			case t := <-b.queue:
				batch = append(batch, t)
			default:
				more = false
			}
		}
		b.carryOut(batch)
		clear(batch)
	}
}

// close ends run after the trip it makes now and waits for it.
func (b *batcher) close() {
	close(b.closed)
	<-b.done
}

// carryOut makes trips until every operation of batch has an outcome. Redis may be away
// for as long as b.patience says; once it was away longer, each batch has one try.
func (b *batcher) carryOut(batch []*ticket) {
	waiting := batch[:0]
	for _, t := range batch {
		if t.state.Load() == abandoned {
			b.release(t)
			continue
		}
		waiting = append(waiting, t)
	}
	b.operations.Add(uint64(len(waiting)))
	pause := 5 * time.Millisecond
	for again := false; len(waiting) > 0; again = true {
		left, cause := b.trip(waiting, again)
		if cause == nil {
			b.down = time.Time{}
			b.outage.over()
			return
		}
		if b.down.IsZero() {
			b.down = time.Now()
		}
		b.outage.lasts(b.down, cause)
		waiting = left
		if time.Since(b.down) >= b.patience || !b.wait(pause) {
			for _, t := range waiting {
				b.settle(t, fleet.Errorf(fleet.Unavailable, "redis does not answer: %w", cause))
			}
			return
		}
		pause = min(2*pause, 250*time.Millisecond)
		b.retries.Add(1)
	}
}

// trip sends the operations of waiting at once. It returns those that need another
// trip, in place, and why.
func (b *batcher) trip(waiting []*ticket, again bool) (left []*ticket, cause error) {
	ctx, cancel := context.WithTimeout(context.Background(), tripTimeout)
	defer cancel()
	pipe := b.client.Pipeline()
	if b.atomic && len(waiting) > 1 {
		pipe = b.client.TxPipeline()
	}
	for _, t := range waiting {
		t.op.queue(pipe, again)
	}
	b.trips.Add(1)
	b.commands.Add(uint64(pipe.Len()))
	_, _ = pipe.Exec(ctx) // each operation reads its own reply
	left = waiting[:0]
	forgotten := false
	for _, t := range waiting {
		err := t.op.settle(again)
		if !passing(err) {
			b.settle(t, err)
			continue
		}
		left = append(left, t)
		cause = err
		forgotten = forgotten || redis.HasErrorPrefix(err, "NOSCRIPT")
	}
	if forgotten {
		_ = loadScripts(ctx, b.client) // if this fails, so does the next trip
	}
	return left, cause
}

func (b *batcher) settle(t *ticket, err error) {
	t.op = nil
	if t.state.CompareAndSwap(awaited, settled) {
		t.outcome <- err
		return
	}
	b.release(t)
}

func (b *batcher) release(t *ticket) {
	t.op = nil
	b.free <- t
}

func (b *batcher) wait(d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-b.closed:
		return false
	}
}

// passing reports whether err may go away by itself: the connection broke, or Redis is
// starting, failing over, out of memory or unable to write its file.
func passing(err error) bool {
	if err == nil || errors.Is(err, redis.Nil) || errors.As(err, new(*fleet.Error)) || errors.Is(err, record.ErrBroken) {
		return false
	}
	var reply redis.Error
	if !errors.As(err, &reply) {
		return true
	}
	for _, prefix := range []string{
		"NOSCRIPT", "LOADING", "READONLY", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "BUSY", "EXECABORT",
		"OOM", "MISCONF", "NOREPLICAS", "max number of clients",
	} {
		if redis.HasErrorPrefix(err, prefix) {
			return true
		}
	}
	return false
}

func loadScripts(ctx context.Context, client *redis.Client) error {
	pipe := client.Pipeline()
	for _, s := range scripts {
		pipe.ScriptLoad(ctx, s.source)
	}
	_, err := pipe.Exec(ctx)
	return err
}
