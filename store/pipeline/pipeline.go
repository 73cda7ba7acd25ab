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
	"github.com/redis/go-redis/v9/maintnotifications"
	"golang.org/x/time/rate"
)

// Pipeline is the connection to one Redis. It is safe for concurrent use.
type Pipeline struct {
	// Client is for commands outside the shared trips, which are not retried.
	Client *redis.Client

	reads, writes *batcher
	guard         *guard
	outage        *outage
	writer        string // distinguishes the nonces of this process
	nonces        atomic.Uint64
	running       sync.WaitGroup
	draining      sync.Once
}

// New returns a pipeline to the Redis of o, which will know the scripts. Close must be called
// in the end.
func New(o *redis.Options, log *slog.Logger, scripts []*Script, g Guard) *Pipeline {
	guard := &guard{Guard: g, scripts: scripts}
	o.OnConnect = guard.connected
	client := redis.NewClient(explicit(o))
	guard.client = client
	away := &outage{log: log, began: time.Now(), refusals: rate.Sometimes{First: 1, Interval: time.Minute}}
	p := &Pipeline{
		Client: client, guard: guard, outage: away, writer: rand.Text()[:8] + ".",
		reads: newBatcher(client, reads, away, guard), writes: newBatcher(client, writes, away, guard),
	}
	p.running.Go(p.reads.run)
	p.running.Go(p.writes.run)
	return p
}

// poolSize is far more connections than the batchers use: after as many failed dials
// go-redis would only try once a second, and callers would wait for a Redis that is back.
const poolSize = 32

// explicit sets every default of go-redis that matters here: a batcher decides about
// retries, and a handful of connections serves all callers.
func explicit(o *redis.Options) *redis.Options {
	o.MaxRetries = -1
	o.DialTimeout, o.DialerRetries = 2*time.Second, 1
	o.ReadTimeout, o.WriteTimeout, o.PoolTimeout = tripTimeout, tripTimeout, tripTimeout
	o.ContextTimeoutEnabled = true
	o.PoolSize, o.PipelinePoolSize, o.MinIdleConns = poolSize, -1, 0
	o.ReadBufferSize, o.WriteBufferSize = 64<<10, 64<<10
	o.Protocol, o.DisableIdentity = 2, true
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	return o
}

// Confirm confirms by a write that the right Redis is in use. It must be called every few
// seconds, for Ready.
func (p *Pipeline) Confirm(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, tripTimeout)
	defer cancel()
	if p.guard.doubtful[reads].Load() && p.guard.verify(ctx, reads) == nil {
		p.outage.over(reads)
	}
	if err := p.guard.verify(ctx, writes); err != nil {
		p.outage.lasts(writes, err)
		return err
	}
	p.outage.over(writes)
	return nil
}

// Doubt makes the next trip of each kind look whether it reaches the right Redis.
func (p *Pipeline) Doubt() {
	p.guard.doubt(reads)
	p.guard.doubt(writes)
}

// Ready returns nil if the last trips succeeded and a write worked at most within ago, else why
// it is not.
func (p *Pipeline) Ready(within time.Duration) error {
	select {
	case <-p.writes.closed:
		return errClosed
	default:
	}
	if cause := p.outage.present(); cause != nil {
		return errors.New(Advice(cause))
	}
	if ago := time.Since(p.outage.began) - time.Duration(p.outage.written.Load()); ago > within {
		return fmt.Errorf("no write to redis has worked for %s", ago.Round(time.Second))
	}
	return nil
}

// Drain ends the shared trips: operations in progress end, later ones are fleet.Unavailable.
func (p *Pipeline) Drain() {
	p.draining.Do(func() {
		p.reads.close()
		p.writes.close()
		p.running.Wait()
	})
}

// Close drains the pipeline and closes its connections.
func (p *Pipeline) Close() {
	p.Drain()
	_ = p.Client.Close()
}

// Nonce returns a text that names one write, so that a script can tell its retry from another
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
	r, w := p.reads, p.writes
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
