package pipeline

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/muster-iot/muster/fleet"
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
	lane     lane // the trips of writes are one MULTI: all or nothing, one fsync
	patience time.Duration
	outage   *outage
	guard    *guard
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

func newBatcher(client *redis.Client, l lane, o *outage, g *guard) *batcher {
	b := &batcher{
		client: client, lane: l, patience: maxPatience, outage: o, guard: g,
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
	for sent := false; len(waiting) > 0; b.retries.Add(1) {
		var cause error
		if waiting, sent, cause = b.attempt(waiting, sent); cause == nil {
			b.down = time.Time{}
			b.outage.over(b.lane)
			return
		}
		if b.down.IsZero() {
			b.down = time.Now()
		}
		b.outage.lasts(b.lane, cause)
		if time.Since(b.down) >= b.patience || !b.wait(pause) {
			for _, t := range waiting {
				b.giveUp(t, sent, cause)
			}
			return
		}
		pause = min(2*pause, 250*time.Millisecond)
	}
}

// attempt makes a trip if the guard lets it. sent reports whether the operations were sent
// before; attempt returns the operations that need another trip, whether they were sent, and
// why they need it.
func (b *batcher) attempt(waiting []*ticket, sent bool) ([]*ticket, bool, error) {
	ctx, cancel := context.WithTimeout(context.Background(), tripTimeout)
	defer cancel()
	if err := b.guard.admit(ctx, b.lane); err != nil {
		return waiting, sent, err
	}
	left, cause := b.trip(ctx, waiting, sent)
	if cause != nil {
		b.guard.doubt(b.lane)
	}
	return left, true, cause
}

// giveUp fails an operation. One that was sent may be carried out, even later.
func (b *batcher) giveUp(t *ticket, sent bool, cause error) {
	if d, ok := t.op.(Doubtful); ok && sent {
		d.Doubt()
	}
	b.settle(t, &fleet.Error{Kind: fleet.Unavailable, Text: Advice(cause), Cause: cause})
}

// trip sends the operations of waiting at once. It returns those that need another
// trip, in the same array, and why.
func (b *batcher) trip(ctx context.Context, waiting []*ticket, again bool) (left []*ticket, cause error) {
	pipe := b.client.Pipeline()
	if b.lane == writes && len(waiting) > 1 {
		pipe = b.client.TxPipeline()
	}
	for _, t := range waiting {
		t.op.Queue(pipe, again)
	}
	b.trips.Add(1)
	b.commands.Add(uint64(pipe.Len()))
	_ = Exec(ctx, pipe) // each operation reads its own reply
	left = waiting[:0]
	for _, t := range waiting {
		err := t.op.Settle(again)
		if !Transient(err) {
			b.settle(t, b.outage.refused(err))
			continue
		}
		left = append(left, t)
		cause = err
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
