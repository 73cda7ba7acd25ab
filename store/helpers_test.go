package store

import (
	"context"
	"log/slog"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/store/redistest"
)

// each runs a test of the contract on every kind of store, one after the other, while other tests run.
func each(t *testing.T, test func(t *testing.T, s *Store)) {
	t.Parallel()
	t.Run("ephemeral", func(t *testing.T) { test(t, openEphemeral(t)) })
	t.Run("redis", func(t *testing.T) { test(t, openServed(t, t.TempDir())) })
	t.Run("sentinel", func(t *testing.T) { test(t, openShared(t, &sentinels)) })
	t.Run("cluster", func(t *testing.T) { test(t, openShared(t, &cluster)) })
}

// shared are servers that take long to start: one test after the other has them.
type shared[S interface {
	URL() string
	Empty() error
	Stop()
}] struct {
	start   func(dir string) (S, error)
	mu      sync.Mutex // is held by the test that uses them
	started bool       // guarded by mu
	servers S          // guarded by mu
	dir     string     // guarded by mu
}

var (
	cluster   = shared[*redistest.Cluster]{start: func(dir string) (*redistest.Cluster, error) { return redistest.StartCluster(dir, 3, false) }}
	sentinels = shared[*redistest.Sentinel]{start: redistest.StartSentinel}
)

// stopShared ends what openShared has started.
func stopShared() {
	cluster.stop()
	sentinels.stop()
}

func (s *shared[S]) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.started {
		s.servers.Stop()
		_ = os.RemoveAll(s.dir)
	}
}

// openShared opens an empty store on servers that other tests use before and after this one.
func openShared[S interface {
	URL() string
	Empty() error
	Stop()
}](t *testing.T, s *shared[S]) *Store {
	t.Helper()
	s.mu.Lock()
	t.Cleanup(s.mu.Unlock)
	if !s.started {
		s.dir = got[string](t)(os.MkdirTemp("", "muster-redis-"))
		s.servers = got[S](t)(s.start(s.dir))
		s.started = true
	}
	must(t, s.servers.Empty())
	opened, _ := openAt(t, s.servers.URL(), t.TempDir())
	return opened
}

// client returns a client for what a test does behind the back of s.
func client(s *Store) redis.UniversalClient {
	if !s.core.Clustered() {
		return s.core.Masters()[0].Cmdable.(redis.UniversalClient)
	}
	return cluster.servers.Client
}

// hook adds a hook to the connections of s.
func hook(s *Store, h redis.Hook) {
	for _, c := range s.core.Masters() {
		c.Cmdable.(*redis.Client).AddHook(h)
	}
}

func openEphemeral(tb testing.TB) *Store {
	tb.Helper()
	s, err := Ephemeral(tb.Context(), Options{Log: quiet()})
	return opened(tb, s, err)
}

func openServed(tb testing.TB, dir string) *Store {
	tb.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		tb.Fatal("the contract of the store needs a real redis-server on PATH: install the package redis-server")
	}
	s, err := Serve(tb.Context(), Options{Dir: dir, Log: quiet()})
	return opened(tb, s, err)
}

func opened(tb testing.TB, s *Store, err error) *Store {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(s.Close)
	must(tb, s.Index.Wait(tb.Context()))
	return s
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// got fails the test on an error and passes a value on.
func got[T any](tb testing.TB) func(T, error) T {
	return func(v T, err error) T {
		tb.Helper()
		must(tb, err)
		return v
	}
}

func newDevice(id fleet.DeviceID) *fleet.Device {
	return &fleet.Device{ID: id.In(1), Team: 1, Product: 1, Name: "device " + id.String(), UpdatesOn: true, Created: at(0)}
}

// at is a moment some seconds after a fixed one close to now, so that nothing is too old.
func at(seconds int) time.Time { return epoch.Add(time.Duration(seconds) * time.Second) }

var epoch = time.Now().Add(-time.Hour).UTC().Truncate(time.Second)

func version(s string) fleet.Version { return fleet.ReportedVersion(s) }

// newTeam makes a team with an owner and a product.
func newTeam(t testing.TB, s *Store) (fleet.Team, fleet.User, fleet.Product) {
	t.Helper()
	ctx := context.Background()
	user := got[fleet.User](t)(s.Teams.CreateUser(ctx, fleet.User{Email: "owner@example.com"}))
	team := got[fleet.Team](t)(s.Teams.CreateTeam(ctx, fleet.Team{Name: "one"}, fleet.Member{User: user.ID, Email: user.Email}))
	product := got[fleet.Product](t)(s.Catalogs.CreateProduct(ctx, fleet.Product{Team: team.ID, Slug: "sensor"}))
	return team, user, product
}

// openTwo opens two stores on one real Redis.
func openTwo(tb testing.TB) (*Store, *Store) {
	tb.Helper()
	first := openServed(tb, tb.TempDir())
	second, err := Open(tb.Context(), Options{URL: "unix://" + first.core.Masters()[0].Addr, Log: quiet(), shared: true})
	return first, opened(tb, second, err)
}
