package store

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

	"github.com/muster-iot/muster/index"
)

// Options say where the fleet is kept and for how long.
type Options struct {
	URL  string       // redis://, rediss:// or unix:// of a Redis 7.0 or Valkey 7.2; Open only
	Dir  string       // folder of the append-only file; Serve only
	Log  *slog.Logger // nil: slog.Default()
	Keep Retention    // zero fields: the defaults
}

func (o Options) log() *slog.Logger {
	if o.Log == nil {
		return slog.Default()
	}
	return o.Log
}

// Retention bounds what grows. Counts may be exceeded by a tenth: Redis trims in blocks.
type Retention struct {
	Messages int           // per team; default 100,000
	Audit    int           // entries per team; default 100,000
	Alerts   int           // per team; default 10,000
	Updates  int           // past updates per device; default 50
	Commands int           // finished commands per device; default 20
	Age      time.Duration // of all of these but commands; default 90 days
}

func (r Retention) orDefaults() Retention {
	fill := func(n *int, otherwise int) {
		if *n <= 0 {
			*n = otherwise
		}
	}
	fill(&r.Messages, 100_000)
	fill(&r.Audit, 100_000)
	fill(&r.Alerts, 10_000)
	fill(&r.Updates, 50)
	fill(&r.Commands, 20)
	if r.Age <= 0 {
		r.Age = 90 * 24 * time.Hour
	}
	return r
}

// Store is the fleet in Redis. Everything of it may be used concurrently.
type Store struct {
	Devices  *Devices
	Index    *index.Index
	Catalogs *Catalogs
	Teams    *Teams
	Messages *Messages
	Journal  *Journal
	Repeats  *Repeats

	core   *core
	server func() // ends the Redis this store brought; nil with Open
	ending sync.Once
}

// core is what the facets share.
type core struct {
	client *redis.Client
	log    *slog.Logger
	keep   Retention
	reads  *batcher
	writes *batcher

	writer   string // tells this process's nonces from others'
	sequence atomic.Uint64

	base   context.Context // ends with the store
	cancel context.CancelFunc
	tasks  sync.WaitGroup
}

// nonce names one write, so that its retry is told from another's write.
func (c *core) nonce() string { return c.writer + strconv.FormatUint(c.sequence.Add(1), 36) }

// Open uses a Redis that someone else runs. It waits until it answers, or ctx ends, and
// warns where its configuration can lose what was acknowledged.
func Open(ctx context.Context, o Options) (*Store, error) {
	redisOptions, err := redis.ParseURL(o.URL)
	if err != nil {
		return nil, fmt.Errorf("redis url: %w: use redis://, rediss:// or unix://", err)
	}
	s := assemble(redisOptions, o)
	if err := s.core.greet(ctx, true); err != nil {
		s.Close()
		return nil, err
	}
	return s.start(ctx)
}

// assemble builds a store whose goroutines do not run yet.
func assemble(redisOptions *redis.Options, o Options) *Store {
	log := o.log()
	client := redis.NewClient(explicit(redisOptions))
	away := &outage{log: log}
	base, cancel := context.WithCancel(context.Background())
	c := &core{
		client: client, log: log, keep: o.Keep.orDefaults(),
		reads: newBatcher(client, false, away), writes: newBatcher(client, true, away),
		writer: rand.Text()[:8] + ".", base: base, cancel: cancel,
	}
	s := &Store{core: c}
	s.Index = index.New()
	s.Catalogs = newCatalogs(c)
	s.Devices = &Devices{core: c, index: s.Index, catalogs: s.Catalogs}
	s.Teams = newTeams(c, s)
	s.Catalogs.teams = s.Teams
	s.Messages = &Messages{core: c}
	s.Journal = &Journal{core: c}
	s.Repeats = &Repeats{core: c}
	c.tasks.Go(c.reads.run)
	c.tasks.Go(c.writes.run)
	return s
}

// start loads the scripts and begins to build the index.
func (s *Store) start(ctx context.Context) (*Store, error) {
	if err := loadScripts(ctx, s.core.client); err != nil {
		s.Close()
		return nil, fmt.Errorf("redis: loading scripts: %w", err)
	}
	s.core.tasks.Go(func() {
		s.Devices.readAll(s.core.base)
		s.Teams.resume(s.core.base)
	})
	return s, nil
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

// Close ends the store: operations under way end, later ones are Unavailable. A server
// started by Serve or Ephemeral ends too.
func (s *Store) Close() {
	s.ending.Do(func() {
		s.core.cancel()
		s.core.reads.close()
		s.core.writes.close()
		s.core.tasks.Wait()
		_ = s.core.client.Close()
		if s.server != nil {
			s.server()
		}
	})
}

// Ping reports whether Redis answers; nil says that it does.
func (s *Store) Ping(ctx context.Context) error {
	_, err := read(ctx, s.core, func(p redis.Pipeliner) result[string] { return p.Ping(background) })
	return err
}

// Stats counts what the store asked of Redis since it was opened. The building of the
// index is not counted.
type Stats struct {
	ReadTrips, ReadCommands, Reads    uint64 // round trips, commands in them, callers' operations
	WriteTrips, WriteCommands, Writes uint64
	Retries                           uint64 // trips made again
}

// Stats returns the counts of this moment.
func (s *Store) Stats() Stats {
	r, w := s.core.reads, s.core.writes
	return Stats{
		ReadTrips: r.trips.Load(), ReadCommands: r.commands.Load(), Reads: r.operations.Load(),
		WriteTrips: w.trips.Load(), WriteCommands: w.commands.Load(), Writes: w.operations.Load(),
		Retries: r.retries.Load() + w.retries.Load(),
	}
}

// driverLog takes what go-redis would print to standard error: the store reports what
// matters of it once, where an operation fails.
type driverLog struct{}

// Printf logs for debugging only.
func (driverLog) Printf(ctx context.Context, format string, v ...any) {
	slog.DebugContext(ctx, "go-redis", "said", fmt.Sprintf(format, v...))
}

func init() { redis.SetLogger(driverLog{}) }

// absent reports whether err says that a key does not exist.
func absent(err error) bool { return errors.Is(err, redis.Nil) }
