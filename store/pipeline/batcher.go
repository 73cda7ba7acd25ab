package pipeline

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
	maxWaiting  = 1024            // operations waiting or in a trip, per batcher; further callers wait for a ticket
	maxPatience = 5 * time.Second // after a longer outage of Redis operations fail
	tripTimeout = 5 * time.Second // of one trip
)

// batcher makes one trip to Redis for all operations that wait (group commit). Tickets and
// their channels are made once, so that callers in a synctest bubble can wait for a batcher
// that was started outside of it.
type batcher struct {
	client   *redis.Client
	atomic   bool // a trip is one MULTI: all or nothing, one fsync
	patience time.Duration
	outage   *outage
	load     func(context.Context) error // loads the scripts
	free     chan *ticket
	queue    chan *ticket
	closed   chan struct{}
	done     chan struct{}
	down     time.Time // when trips began to fail; zero while they succeed

	trips, commands, operations, retries atomic.Uint64
}

type ticket struct {
	op      Operation
	outcome chan error
	state   atomic.Int32
}

const (
	awaited   int32 = iota // the caller waits for the outcome
	abandoned              // the caller has returned: the batcher frees the ticket
	settled                // the outcome is in the channel
)

func newBatcher(client *redis.Client, atomic bool, o *outage, load func(context.Context) error) *batcher {
	b := &batcher{
		client: client, atomic: atomic, patience: maxPatience, outage: o, load: load,
		free: make(chan *ticket, maxWaiting), queue: make(chan *ticket, maxWaiting),
		closed: make(chan struct{}), done: make(chan struct{}),
	}
	for range maxWaiting {
		b.free <- &ticket{outcome: make(chan error, 1)}
	}
	return b
}

// do waits until op is carried out: see Pipeline.Read.
func (b *batcher) do(ctx context.Context, op Operation) error {
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

// run makes trips until close. Operations that still wait then fail.
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

// close ends run after the current trip and waits for it.
func (b *batcher) close() {
	close(b.closed)
	<-b.done
}

// carryOut makes trips until every operation of batch has an outcome. It retries until trips
// have failed for b.patience; while the outage lasts longer, each batch has one try.
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
// trip, in the same array, and why.
func (b *batcher) trip(waiting []*ticket, again bool) (left []*ticket, cause error) {
	ctx, cancel := context.WithTimeout(context.Background(), tripTimeout)
	defer cancel()
	pipe := b.client.Pipeline()
	if b.atomic && len(waiting) > 1 {
		pipe = b.client.TxPipeline()
	}
	for _, t := range waiting {
		t.op.Queue(pipe, again)
	}
	b.trips.Add(1)
	b.commands.Add(uint64(pipe.Len()))
	_, _ = pipe.Exec(ctx) // each operation reads its own reply
	left = waiting[:0]
	forgotten := false
	for _, t := range waiting {
		err := t.op.Settle(again)
		if !Transient(err) {
			b.settle(t, err)
			continue
		}
		left = append(left, t)
		cause = err
		forgotten = forgotten || redis.HasErrorPrefix(err, "NOSCRIPT")
	}
	if forgotten {
		_ = b.load(ctx) // if this fails, so does the next trip
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

// Transient reports whether err may go away by itself: the connection broke, or Redis is
// starting, failing over, out of memory or unable to write its file. Errors of fleet and of
// broken records never do.
func Transient(err error) bool {
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
