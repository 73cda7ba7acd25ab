package pipeline

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	maxBatch    = 256             // operations of one trip
	maxWaiting  = 1024            // operations waiting or in a trip, per batcher; further callers wait for a ticket
	maxPatience = 5 * time.Second // after a longer outage of Redis operations fail
	tripTimeout = 5 * time.Second // of one trip
)

// batcher makes one trip to a master for all operations that wait (group commit). Tickets and
// their channels are made once, so that callers in a synctest bubble can wait for a batcher
// that was started outside of it.
type batcher struct {
	client   redis.Cmdable
	lane     lane
	atomic   bool // a trip is one MULTI: all or nothing, one fsync
	copies   int  // replicas that must have a trip before its operations are settled
	patience time.Duration
	outage   *outage
	guard    *guard
	counts   *counts
	holds    func(key string) bool // whether the master holds the key; nil: it holds all
	failed   func()                // is called when the master can't be used; nil: nothing is to be done

	free   chan *ticket
	queue  chan *ticket
	closed chan struct{}
	done   chan struct{}
	reason error // why it is closed; written before closed is

	down time.Time // when trips began to fail; zero while they succeed
}

// counts are those of one lane, of all masters.
type counts struct{ trips, commands, operations, retries atomic.Uint64 }

type ticket struct {
	op      Operation
	term    uint64 // in which it was begun
	sent    bool   // it may have been carried out before
	outcome chan error
	state   atomic.Int32
}

const (
	awaited   int32 = iota // the caller waits for the outcome
	abandoned              // the caller has returned: the batcher frees the ticket
	settled                // the outcome is in the channel
)

// newBatcher returns the batcher of a shard's lane, for run.
func newBatcher(s *shard, l lane, c *counts) *batcher {
	b := &batcher{
		client: s.client, lane: l, patience: maxPatience, outage: s.outage, guard: s.guard, counts: c,
		free: make(chan *ticket, maxWaiting), queue: make(chan *ticket, maxWaiting),
		closed: make(chan struct{}), done: make(chan struct{}),
	}
	for range maxWaiting {
		b.free <- &ticket{outcome: make(chan error, 1)}
	}
	return b
}

// do waits until op is carried out: see Pipeline.Read. sent reports whether it may have been
// carried out before; term is that in which it was begun.
func (b *batcher) do(ctx context.Context, op Operation, term uint64, sent bool) error {
	var t *ticket
	select {
	case t = <-b.free:
	case <-ctx.Done():
		return gaveUp(ctx)
	case <-b.closed:
		return b.reason
	}
	t.op, t.term, t.sent = op, term, sent
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
			return b.reason
		}
	}
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

// close ends run after the current trip and waits for it. Operations that still wait fail with
// reason.
func (b *batcher) close(reason error) {
	b.reason = reason
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
	b.counts.operations.Add(uint64(len(waiting)))
	pause := 5 * time.Millisecond
	for ; len(waiting) > 0; b.counts.retries.Add(1) {
		var worked bool
		var cause error
		if waiting, worked, cause = b.attempt(waiting); cause == nil {
			if worked {
				b.down = time.Time{}
				b.outage.over(b.lane)
			}
			return
		}
		if b.down.IsZero() {
			b.down = time.Now()
		}
		b.outage.lasts(b.lane, cause)
		if b.failed != nil {
			b.failed()
		}
		if time.Since(b.down) >= b.patience || !b.wait(pause) {
			for _, t := range waiting {
				b.giveUp(t, cause)
			}
			return
		}
		waiting = b.handOver(waiting, cause)
		pause = min(2*pause, 250*time.Millisecond)
	}
}

// attempt makes a trip if the guard lets it. It returns the operations that need another trip
// and why they do, and whether the master carried out any.
func (b *batcher) attempt(waiting []*ticket) (left []*ticket, worked bool, cause error) {
	ctx, cancel := context.WithTimeout(context.Background(), tripTimeout)
	defer cancel()
	if err := b.guard.admit(ctx, b.lane); err != nil {
		return waiting, false, err
	}
	if waiting = b.inTerm(waiting); len(waiting) == 0 {
		return nil, false, nil
	}
	left, worked, cause = b.trip(ctx, waiting)
	if cause != nil {
		b.guard.doubt(b.lane)
	}
	return left, worked, cause
}

// giveUp fails an operation. One that was sent may be carried out, even later.
func (b *batcher) giveUp(t *ticket, cause error) {
	select {
	case <-b.closed:
		if errors.As(b.reason, new(*moved)) {
			b.settle(t, &moved{sent: t.sent, cause: cause})
			return
		}
	default:
	}
	b.settle(t, unavailable(t.op, t.sent, cause))
}

// handOver settles the operations whose keys another master holds by now, and returns the others.
func (b *batcher) handOver(waiting []*ticket, cause error) []*ticket {
	if b.holds == nil {
		return waiting
	}
	left := waiting[:0]
	for _, t := range waiting {
		if b.holds(t.op.Key()) {
			left = append(left, t)
			continue
		}
		b.settle(t, &moved{sent: t.sent, cause: cause})
	}
	return left
}

// trip sends the operations of waiting at once. It returns those that need another trip, in the
// same array, and why, and whether others were carried out.
func (b *batcher) trip(ctx context.Context, waiting []*ticket) (left []*ticket, worked bool, cause error) {
	pipe := b.client.Pipeline()
	if b.atomic && len(waiting) > 1 {
		pipe = b.client.TxPipeline()
	}
	for _, t := range waiting {
		t.op.Queue(pipe, t.sent)
	}
	b.counts.trips.Add(1)
	b.counts.commands.Add(uint64(pipe.Len()))
	copied := awaitCopies(ctx, pipe, b.copies)
	_ = Exec(ctx, pipe) // each operation reads its own reply
	if cause := copied(); cause != nil {
		for _, t := range waiting {
			t.sent = true
		}
		return waiting, false, cause
	}
	left = waiting[:0]
	for _, t := range waiting {
		err := t.op.Settle(t.sent)
		switch {
		case err == nil: // without the allocations of looking at it
			worked = true
			b.settle(t, nil)
		case redirected(err):
			b.settle(t, &moved{sent: t.sent, cause: err})
		case Transient(err):
			t.sent = true
			left = append(left, t)
			cause = err
		default:
			worked = true
			b.settle(t, b.outage.refused(err))
		}
	}
	return left, worked, cause
}

func (b *batcher) settle(t *ticket, err error) {
	op := t.op
	t.op = nil
	if t.state.CompareAndSwap(awaited, settled) {
		t.outcome <- err
		return
	}
	if m := new(moved); errors.As(err, &m) { // the caller that would try the other master has left
		_ = unavailable(op, m.sent, m.cause)
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
