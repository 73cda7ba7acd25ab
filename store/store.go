package store

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/muster-iot/muster/index"
	"github.com/muster-iot/muster/steady"
	"github.com/muster-iot/muster/store/alert"
	"github.com/muster-iot/muster/store/claim"
	"github.com/muster-iot/muster/store/command"
	"github.com/muster-iot/muster/store/feed"
	"github.com/muster-iot/muster/store/filters"
	"github.com/muster-iot/muster/store/identity"
	"github.com/muster-iot/muster/store/jobs"
	"github.com/muster-iot/muster/store/journal"
	"github.com/muster-iot/muster/store/keys"
	"github.com/muster-iot/muster/store/namesake"
	"github.com/muster-iot/muster/store/node"
	"github.com/muster-iot/muster/store/outbox"
	"github.com/muster-iot/muster/store/pipeline"
	"github.com/muster-iot/muster/store/relay"
	"github.com/muster-iot/muster/store/repeat"
	"github.com/muster-iot/muster/store/require"
	"github.com/muster-iot/muster/store/retention"
	"github.com/muster-iot/muster/store/stream"
	"github.com/muster-iot/muster/store/timeline"
)

// Options are where the fleet is kept and for how long.
type Options struct {
	URL         string           // of a Redis 7.0 or Valkey 7.2, as in pipeline.Parse; Open only
	Dir         string           // folder of the append-only file; Serve only
	Folder      string           // keeps which store this is, next to the images; "": nothing does. This process must have locked it
	Images      bool             // Folder has images
	Room        func() error     // refuses messages and commands while the disk is almost full; nil: nothing does
	Joined      bool             // other processes that are joined too may use the store; Open only
	AckReplicas int              // of each master, that must have a write before it is acknowledged; Open only
	Role        string           // of this process among them, as in node.Config
	Release     string           // of the program
	Log         *slog.Logger     // nil: slog.Default()
	Keep        retention.Policy // zero fields: the defaults

	shared  bool     // this process holds no lease, and writes nothing; tests open a store twice
	kept    int      // entries of each feed; 0: feed.Kept
	offline []string // no server: devices are not read, and stores of these layouts are opened, too
}

func (o Options) log() *slog.Logger {
	if o.Log == nil {
		return slog.Default()
	}
	return o.Log
}

// Store is the fleet in Redis. It and its parts are safe for concurrent use.
type Store struct {
	Devices  *Devices
	Index    *index.Index
	Catalogs *Catalogs
	Teams    *Teams
	Messages *Messages
	Journal  *Journal
	Repeats  *repeat.Repeats

	Timelines *timeline.Timelines
	Outbox    *outbox.Outbox
	Jobs      *jobs.Jobs
	Filters   *filters.Filters
	Relay     *relay.Relay  // nil unless the store is shared
	Clock     *steady.Clock // by which what is stored expires

	core        *core
	feed        *feed.Feed
	keeper      *identity.Keeper
	nodes       *node.Nodes   // nil unless the store is shared
	images      bool          // the data folder has images
	offline     bool          // see Options
	readyWithin time.Duration // how long ago a write may have worked
	lost        chan error    // why this process may no longer use the store; has a place for one
	server      func()        // ends the Redis that Serve or Ephemeral started; nil with Open
	ending      sync.Once
}

// core is what the parts of a store share.
type core struct {
	*pipeline.Pipeline
	log      *slog.Logger
	keep     retention.Policy
	streams  *stream.Streams
	recovery *recovery
	claims   *claim.Claims
	clock    *steady.Clock

	base   context.Context // ends with the store
	cancel context.CancelFunc
	tasks  sync.WaitGroup
}

// Open uses a Redis that someone else runs: one server, the master of Sentinels, or a Cluster. It
// waits until that answers, or ctx ends, and logs where its configuration can lose acknowledged
// writes. Its error says what to do when another process uses the store, and when Redis is not the
// store of o.Folder.
func Open(ctx context.Context, o Options) (*Store, error) {
	target, err := pipeline.Parse(o.URL)
	if err != nil {
		return nil, err
	}
	target.Copies = o.AckReplicas
	s := assemble(target, o, identity.Every)
	if err := require.Await(ctx, s.core.Pipeline, o.log()); err != nil {
		s.Close()
		return nil, err
	}
	require.Warn(ctx, s.core.Pipeline, o.AckReplicas, o.log())
	return s.start(ctx)
}

// assemble returns a store that has not sent anything to Redis yet. every is how often it confirms
// that writes work and reach this process's store; 0: never.
func assemble(target pipeline.Target, o Options, every time.Duration) *Store {
	base, cancel := context.WithCancel(context.Background())
	if o.offline != nil && o.shared {
		every = 0
	}
	s := &Store{images: o.Images, offline: o.offline != nil, readyWithin: readyWithin, lost: make(chan error, 1)}
	s.keeper = identity.New(identity.Config{
		Folder: o.Folder, Alone: cmp.Or(o.Folder, o.Dir), Cluster: target.Cluster != nil, Shared: o.shared, Joined: o.Joined, Layouts: o.offline, Log: o.log(),
		Changed: s.changed, Lost: func(err error) { s.lost <- err },
	})
	if o.Joined {
		s.nodes = s.join(o)
	}
	c := &core{
		Pipeline: pipeline.New(target, o.log(), scripts, s.nodes.Guard(pipeline.Guard{
			Recognize: s.keeper.Recognize, Confirm: s.keeper.Confirm, Every: every, Lapsed: s.keeper.Lapsed, Recovered: s.recovered,
		})),
		log: o.log(), keep: o.Keep.OrDefaults(), recovery: newRecovery(), clock: new(steady.Clock), base: base, cancel: cancel,
	}
	s.core, s.Clock = c, c.clock
	c.claims = claim.New(c.Pipeline)
	c.streams = stream.New(c.Pipeline, c.clock)
	s.Index = index.New()
	if s.nodes != nil {
		s.Index.Share(s.nodes.Alive)
	}
	s.Timelines = timeline.New(c.Pipeline)
	s.Relay = relay.New(c.Master, s.nodes)
	s.Catalogs = newCatalogs(c, s.Timelines)
	follow := feed.Config{Redis: c.Pipeline, Index: s.Index, Log: c.log, Joined: o.Joined, Kept: o.kept}
	if o.Joined {
		s.Catalogs.tags = feed.NewTags(c.Pipeline, s.Catalogs.docs, o.kept, s.nodes.ID())
		follow.Tags, follow.Catalog, follow.Self = s.Catalogs.tags, s.Catalogs.heard, s.nodes.ID()
	}
	s.feed = feed.New(follow)
	s.Catalogs.feed = s.feed
	s.Devices = &Devices{core: c, nodes: s.nodes, namesakes: namesake.New(c.Pipeline), index: s.Index, feed: s.feed, catalogs: s.Catalogs}
	s.Teams = newTeams(c, s)
	s.Catalogs.teams = s.Teams
	s.Messages = &Messages{Log: alert.New(c.Pipeline, c.clock, &c.keep), Outboxes: command.New(c.Pipeline, c.clock, c.keep.Commands, o.Room, s.nodes.WakeOthers), core: c, room: o.Room}
	s.Journal = journal.New(c.Pipeline, keys.Journal, s.nodes)
	s.Repeats = repeat.New(c.Pipeline, c.clock)
	s.Outbox = outbox.New(c.Pipeline)
	s.Jobs, s.Filters = jobs.New(c.Pipeline, s.nodes), filters.New(c.Pipeline)
	return s
}

// start takes the store for this process and begins to read the devices into the index.
func (s *Store) start(ctx context.Context) (*Store, error) {
	if err := s.keeper.Take(ctx, s.core.Master, s.unnamed); err != nil {
		s.Close()
		return nil, err
	}
	if s.offline {
		return s, nil
	}
	if s.nodes != nil {
		if err := errors.Join(s.nodes.Join(ctx), s.feed.Note(ctx)); err != nil {
			s.Close()
			return nil, err
		}
		s.core.tasks.Go(func() { s.nodes.Run(s.core.base) })
	} else {
		s.core.tasks.Go(func() { s.Catalogs.compare(s.core.base) })
	}
	s.read()
	return s, nil
}

// read begins to read the devices into the index, and then keeps it right.
func (s *Store) read() {
	s.core.tasks.Go(func() {
		s.feed.Read(s.core.base)
		if s.feed.Joined() {
			s.core.tasks.Go(func() { s.feed.Follow(s.core.base) })
		}
		s.core.recovery.ended() // an earlier process has
		s.recover(s.core.base)
	})
}

// unnamed looks at a Redis that holds no store id.
func (s *Store) unnamed(ctx context.Context) (identity.Found, error) {
	m, err := s.core.Master(keys.Teams)
	if err != nil {
		return identity.Found{}, err
	}
	n, err := m.Exists(ctx, keys.Teams).Result()
	if err == nil && n == 0 && s.offline {
		err = &pipeline.Foreign{Text: "redis holds no fleet: name the folder with --data or the Redis with --redis that muster serve uses"}
	}
	return identity.Found{Fleet: n > 0, Images: s.images}, err
}

// Close ends the store: operations in progress end, later ones are fleet.Unavailable. A server
// started by Serve or Ephemeral ends too. Later calls do nothing.
func (s *Store) Close() {
	s.ending.Do(func() {
		s.core.cancel()
		s.core.tasks.Wait()
		s.core.Drain()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		_ = s.nodes.Leave(ctx)
		_ = s.keeper.Release(ctx, s.core.Master) // else the next process waits until the lease has run out
		cancel()
		s.core.Pipeline.Close()
		if s.server != nil {
			s.server()
		}
	})
}

// readyWithin is how long ago a write may have worked for a store to be ready: two renewals of
// its lease may take long.
const readyWithin = 3 * identity.Every

// Ready returns nil if reads and writes work: the last trips succeeded, and a write worked in
// the last 6 s on the Redis that this process was started with. Otherwise it returns why not.
func (s *Store) Ready() error { return s.core.Ready(s.readyWithin) }

// ID names this store among all others. A store that is not kept has none.
func (s *Store) ID() string { return s.keeper.ID() }

// Lost receives an error when another process has taken the store: this one must end.
func (s *Store) Lost() <-chan error { return s.lost }

// Journal keeps records of what was begun and must be finished.
type Journal = journal.Journal

// Stats counts what the store asked of Redis since it was opened, without the first reading of
// the device records.
type Stats = pipeline.Stats

// Stats returns the counts so far.
func (s *Store) Stats() Stats { return s.core.Stats() }

// FeedStats reports how far this process is behind the other ones that use the store.
type FeedStats = feed.Stats

// FeedStats returns the counts so far. They are zero unless the store is joined.
func (s *Store) FeedStats() FeedStats { return s.feed.Stats() }

// absent reports whether err means that a key does not exist.
func absent(err error) bool { return errors.Is(err, redis.Nil) }
