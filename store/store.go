package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/muster-iot/muster/index"
	"github.com/muster-iot/muster/store/pipeline"
)

// Options are where the fleet is kept and for how long.
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

// Retention bounds what grows. Redis trims in blocks, so counts may be a tenth higher.
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

// Store is the fleet in Redis. It and its parts are safe for concurrent use.
type Store struct {
	Devices  *Devices
	Index    *index.Index
	Catalogs *Catalogs
	Teams    *Teams
	Messages *Messages
	Journal  *Journal
	Repeats  *Repeats

	core   *core
	server func() // ends the Redis that Serve or Ephemeral started; nil with Open
	ending sync.Once
}

// core is what the parts of a store share.
type core struct {
	*pipeline.Pipeline
	log      *slog.Logger
	keep     Retention
	appended atomic.Uint64 // entries, to all streams

	base   context.Context // ends with the store
	cancel context.CancelFunc
	tasks  sync.WaitGroup
}

// Open uses a Redis that someone else runs. It waits until it answers, or ctx ends, and logs
// where its configuration can lose acknowledged writes.
func Open(ctx context.Context, o Options) (*Store, error) {
	redisOptions, err := redis.ParseURL(o.URL)
	if err != nil {
		return nil, fmt.Errorf("redis url: %w: use redis://, rediss:// or unix://", err)
	}
	s := assemble(redisOptions, o)
	if err := s.core.await(ctx); err != nil {
		s.Close()
		return nil, err
	}
	s.core.warn(ctx)
	return s.start(ctx)
}

// assemble returns a store that has not sent anything to Redis yet.
func assemble(redisOptions *redis.Options, o Options) *Store {
	base, cancel := context.WithCancel(context.Background())
	c := &core{
		Pipeline: pipeline.New(redisOptions, o.log(), scripts),
		log:      o.log(), keep: o.Keep.orDefaults(), base: base, cancel: cancel,
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
	return s
}

// start loads the scripts and begins to read the devices into the index.
func (s *Store) start(ctx context.Context) (*Store, error) {
	if err := s.core.Load(ctx); err != nil {
		s.Close()
		return nil, fmt.Errorf("redis: loading scripts: %w", err)
	}
	s.core.tasks.Go(func() {
		s.Devices.readAll(s.core.base)
		s.Teams.resume(s.core.base)
	})
	return s, nil
}

// Close ends the store: operations in progress end, later ones are fleet.Unavailable. A server
// started by Serve or Ephemeral ends too. Later calls do nothing.
func (s *Store) Close() {
	s.ending.Do(func() {
		s.core.cancel()
		s.core.tasks.Wait()
		s.core.Pipeline.Close()
		if s.server != nil {
			s.server()
		}
	})
}

// Ping returns nil if Redis answers.
func (s *Store) Ping(ctx context.Context) error {
	_, err := pipeline.Fetch(ctx, s.core.Pipeline, func(p redis.Pipeliner) pipeline.Result[string] { return p.Ping(context.Background()) })
	return err
}

// Stats counts what the store asked of Redis since it was opened, without the first reading of
// the device records.
type Stats = pipeline.Stats

// Stats returns the counts so far.
func (s *Store) Stats() Stats { return s.core.Stats() }

// absent reports whether err means that a key does not exist.
func absent(err error) bool { return errors.Is(err, redis.Nil) }
