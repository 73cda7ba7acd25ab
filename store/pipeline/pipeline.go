package pipeline

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// Pipeline is the connection to one Redis. It is safe for concurrent use.
type Pipeline struct {
	// Client is for commands outside the shared trips, which are not retried.
	Client *redis.Client

	reads, writes *batcher
	scripts       []*Script
	writer        string // distinguishes the nonces of this process
	nonces        atomic.Uint64
	running       sync.WaitGroup
}

// New returns a pipeline to the Redis of o, whose scripts will be scripts. Load must be called
// before the first script is run, and Close in the end.
func New(o *redis.Options, log *slog.Logger, scripts []*Script) *Pipeline {
	client := redis.NewClient(explicit(o))
	away := &outage{log: log}
	load := func(ctx context.Context) error { return load(ctx, client, scripts) }
	p := &Pipeline{
		Client: client, scripts: scripts, writer: rand.Text()[:8] + ".",
		reads: newBatcher(client, false, away, load), writes: newBatcher(client, true, away, load),
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

// Load loads the scripts into Redis.
func (p *Pipeline) Load(ctx context.Context) error { return load(ctx, p.Client, p.scripts) }

// Close ends the pipeline: operations in progress end, later ones are fleet.Unavailable.
func (p *Pipeline) Close() {
	p.reads.close()
	p.writes.close()
	p.running.Wait()
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
