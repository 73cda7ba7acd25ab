package pipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/store/redisserver"
)

// each runs a test on both kinds of Redis.
func each(t *testing.T, test func(t *testing.T, p *Pipeline)) {
	t.Run("ephemeral", func(t *testing.T) { test(t, openMemory(t)) })
	t.Run("redis", func(t *testing.T) {
		p, _ := openServer(t)
		test(t, p)
	})
}

func openMemory(t *testing.T) *Pipeline {
	server := redisserver.NewMemory()
	t.Cleanup(server.Close)
	p := New(Target{Server: &redis.Options{Addr: "ephemeral", Dialer: server.Dial}}, quiet, nil, Guard{})
	t.Cleanup(p.Close)
	return p
}

func openServer(t *testing.T) (*Pipeline, *redisserver.Server) {
	t.Helper()
	server, err := redisserver.Start(t.Context(), t.TempDir(), quiet)
	must(t, err)
	t.Cleanup(server.Stop)
	p := New(Target{Server: &redis.Options{Network: "unix", Addr: server.Socket()}}, quiet, nil, Guard{})
	t.Cleanup(p.Close)
	must(t, server.Await(t.Context(), func(ctx context.Context) error { return ping(ctx, p) })) // it is retried until it answers
	return p, server
}

var quiet = slog.New(slog.DiscardHandler)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func ping(ctx context.Context, p *Pipeline) error {
	_, err := Fetch(ctx, p, "", func(p redis.Pipeliner) Result[string] { return p.Ping(context.Background()) })
	return err
}

func (p *Pipeline) lane(l lane) *batcher { return p.view.Load().shards[0].lanes[l] }

// heldOperation keeps its trip from being sent until release is closed.
type heldOperation struct{ entered, release chan struct{} }

func hold(b *batcher) (*heldOperation, *sync.WaitGroup) {
	held := &heldOperation{entered: make(chan struct{}), release: make(chan struct{})}
	var all sync.WaitGroup
	all.Go(func() { _ = b.do(context.Background(), held, 0, false) })
	<-held.entered
	return held, &all
}

func (h *heldOperation) Key() string { return "" }

func (h *heldOperation) Queue(p redis.Pipeliner, _ bool) {
	p.Ping(context.Background())
	close(h.entered)
	<-h.release
}

func (h *heldOperation) Settle(bool) error { return nil }

// TestWaitingCallersShareATrip holds up the first trip until others wait.
func TestWaitingCallersShareATrip(t *testing.T) {
	each(t, func(t *testing.T, p *Pipeline) {
		const callers = 100
		for name, row := range map[string]struct {
			batcher *batcher
			call    func(key string) error
			trips   func(Stats) uint64
		}{
			"reads": {p.lane(reads), func(key string) error {
				_, err := Fetch(context.Background(), p, key, func(p redis.Pipeliner) Result[int64] { return p.Exists(context.Background(), key) })
				return err
			}, func(s Stats) uint64 { return s.ReadTrips }},
			"writes": {p.lane(writes), func(key string) error {
				return p.Do(context.Background(), key, func(p redis.Pipeliner) redis.Cmder { return p.Set(context.Background(), key, "x", 0) })
			}, func(s Stats) uint64 { return s.WriteTrips }},
		} {
			held, all := hold(row.batcher)
			before := row.trips(p.Stats())
			for i := range callers {
				all.Go(func() {
					if err := row.call(fmt.Sprint(i)); err != nil {
						t.Error(err)
					}
				})
			}
			for len(row.batcher.queue) < callers {
				runtime.Gosched()
			}
			close(held.release)
			all.Wait()
			if trips := row.trips(p.Stats()) - before; trips != 1+1 { // the one held up, whose trip is counted late, and one for all
				t.Errorf("%s: %d trips for %d waiting callers, want 1", name, trips-1, callers)
			}
		}
	})
}

func TestACallerWhoseContextEndsDoesNotWait(t *testing.T) {
	p := openMemory(t)
	held, all := hold(p.lane(reads))
	var caller sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	caller.Go(func() {
		if err := ping(ctx, p); !errors.Is(err, fleet.Unavailable) || !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want unavailable because canceled", err)
		}
	})
	for len(p.lane(reads).queue) == 0 {
		runtime.Gosched()
	}
	cancel()
	caller.Wait() // while its trip is still held up
	close(held.release)
	all.Wait()
	must(t, ping(t.Context(), p))
	if free := len(p.lane(reads).free); free != maxWaiting { // ping's ticket came after the abandoned one
		t.Errorf("%d of %d tickets came back", free, maxWaiting)
	}
}

func TestARedisThatStaysAwayIsUnavailable(t *testing.T) {
	p, server := openServer(t)
	server.Stop()
	p.lane(reads).patience = 300 * time.Millisecond
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := ping(ctx, p); !errors.Is(err, fleet.Unavailable) {
		t.Errorf("got %v, want unavailable when the context ends", err)
	}
	if err := ping(t.Context(), p); !errors.Is(err, fleet.Unavailable) {
		t.Errorf("got %v, want unavailable when patience ends", err)
	}
	began := time.Now()
	if err := ping(t.Context(), p); !errors.Is(err, fleet.Unavailable) || time.Since(began) > time.Second {
		t.Errorf("got %v after %v, want unavailable at once", err, time.Since(began))
	}
}
