package pipeline

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/muster-iot/muster/store/slots"
)

// Pipeline is the connection to one Redis, of one master or several. It is safe for concurrent
// use.
type Pipeline struct {
	dial    func(addr string, g *guard) slots.Node // Target.dial
	addr    string                                 // of the only master, see Master
	copies  int                                    // see Target
	log     *slog.Logger
	scripts []*Script
	watch   Guard
	counts  [lanes]counts
	writer  string // distinguishes the nonces of this process
	nonces  atomic.Uint64

	view    atomic.Pointer[view]
	finder  *slots.Finder // of a Cluster's masters; nil without one
	wanted  chan struct{} // has a place for one request to find the masters
	ended   chan struct{}
	running sync.WaitGroup
	ending  sync.Once

	finding sync.Mutex // held while the nodes are asked which masters there are, by one caller at a time
}

// New returns a pipeline to a Redis, into which it loads the scripts. A Cluster is used once Connect
// has returned nil. Close must be called in the end.
func New(t Target, log *slog.Logger, scripts []*Script, g Guard) *Pipeline {
	p := &Pipeline{
		dial: t.dial, copies: t.Copies, log: log, scripts: scripts, watch: g, writer: rand.Text()[:8] + ".",
		finder: t.finder(), wanted: make(chan struct{}, 1), ended: make(chan struct{}),
	}
	if t.Server != nil {
		p.addr = t.Server.Addr
	}
	p.view.Store(&view{})
	if p.finder == nil {
		s := p.newShard("")
		s.start()
		p.view.Store(&view{shards: []*shard{s}})
		return p
	}
	p.running.Go(p.follow)
	return p
}

// do carries out op on the master that holds its key, also when that changes meanwhile.
func (p *Pipeline) do(ctx context.Context, l lane, op Operation) error {
	sent, pause, began, term := false, 5*time.Millisecond, time.Time{}, p.watch.termOf(ctx)
	for {
		cause := errNoMaster
		if s := p.view.Load().carrier(op); s != nil {
			err := s.lanes[l].do(ctx, op, term, sent)
			m, elsewhere := err.(*moved) //nolint:errorlint // from a batcher, never wrapped
			if !elsewhere {
				return err
			}
			sent, cause = sent || m.sent, m.cause
		}
		p.find()
		if began.IsZero() {
			began = time.Now()
		}
		if time.Since(began) >= maxPatience {
			return unavailable(op, sent, cause)
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			_ = unavailable(op, sent, cause)
			return gaveUp(ctx)
		case <-p.ended:
			return errClosed
		}
		pause = min(2*pause, 250*time.Millisecond)
	}
}

// Ready returns nil if the last trips succeeded and a write worked at most within ago, else why
// it is not. A Cluster is ready while most of its masters are, and none is a Foreign.
func (p *Pipeline) Ready(within time.Duration) error {
	select {
	case <-p.ended:
		return errClosed
	default:
	}
	shards := p.view.Load().shards
	var failed []error
	for _, s := range shards {
		err := s.unusable(within)
		switch {
		case errors.As(err, new(*Foreign)):
			return err
		case err != nil:
			failed = append(failed, err)
		}
	}
	switch {
	case len(shards) == 0:
		return errNoMaster
	case 2*len(failed) >= len(shards):
		return failed[0]
	}
	return nil
}

// Drain ends the shared trips: operations in progress end, later ones are fleet.Unavailable.
func (p *Pipeline) Drain() {
	p.ending.Do(func() {
		close(p.ended)
		p.running.Wait()
		for _, s := range p.view.Load().shards {
			s.end(errClosed)
		}
	})
}

// Close drains the pipeline and closes its connections.
func (p *Pipeline) Close() {
	p.Drain()
	for _, s := range p.view.Load().shards {
		_ = s.client.Close()
	}
	if p.finder != nil {
		p.finder.Close()
	}
}

// Nonce returns a text that names one write, so that a script can distinguish its retry from another
// write.
func (p *Pipeline) Nonce() string { return p.writer + strconv.FormatUint(p.nonces.Add(1), 36) }

// Stats counts what was asked of Redis through the shared trips.
type Stats struct {
	ReadTrips, ReadCommands, Reads    uint64 // round trips, commands in them, callers' operations
	WriteTrips, WriteCommands, Writes uint64
	Retries                           uint64 // trips made again
}

// Stats returns the counts so far.
func (p *Pipeline) Stats() Stats {
	r, w := &p.counts[reads], &p.counts[writes]
	return Stats{
		ReadTrips: r.trips.Load(), ReadCommands: r.commands.Load(), Reads: r.operations.Load(),
		WriteTrips: w.trips.Load(), WriteCommands: w.commands.Load(), Writes: w.operations.Load(),
		Retries: r.retries.Load() + w.retries.Load(),
	}
}

// driverLog takes what go-redis would print to standard error: callers report what matters of
// it once, where an operation fails.
type driverLog struct{}

// Printf logs for debugging only.
func (driverLog) Printf(ctx context.Context, format string, v ...any) {
	slog.DebugContext(ctx, "go-redis", "text", fmt.Sprintf(format, v...))
}

func init() { redis.SetLogger(driverLog{}) }
