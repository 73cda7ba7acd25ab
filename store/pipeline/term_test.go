package pipeline

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/store/redisserver"
)

// TestWhatWasBegunInAnEarlierTermIsNotWritten: others may have taken over from this process while a write
// waited for its trip, or between two writes of one piece of work.
func TestWhatWasBegunInAnEarlierTermIsNotWritten(t *testing.T) {
	server := redisserver.NewMemory()
	t.Cleanup(server.Close)
	var term atomic.Uint64
	p := New(Target{Server: &redis.Options{Addr: "ephemeral", Dialer: server.Dial}}, quiet, nil, Guard{Term: term.Load})
	t.Cleanup(p.Close)
	write := func(ctx context.Context, key string) error {
		return p.Do(ctx, key, func(p redis.Pipeliner) redis.Cmder { return p.Set(context.Background(), key, "x", 0) })
	}
	work := p.InTerm(t.Context())
	must(t, write(work, "first"))

	held, all := hold(p.lane(writes))
	var err error
	var waits sync.WaitGroup
	waits.Go(func() { err = write(t.Context(), "waits") })
	for len(p.lane(writes).queue) == 0 {
		runtime.Gosched()
	}
	term.Add(1)
	close(held.release)
	all.Wait()
	waits.Wait()
	if !errors.Is(err, fleet.Unavailable) {
		t.Errorf("a write that waited: got %v", err)
	}
	if err := write(work, "next"); !errors.Is(err, fleet.Unavailable) {
		t.Errorf("the next write of work that began before: got %v", err)
	}
	must(t, write(t.Context(), "new"))
	must(t, write(p.InTerm(work), "again"))
	for key, want := range map[string]int64{"first": 1, "waits": 0, "next": 0, "new": 1, "again": 1} {
		n, err := Fetch(work, p, key, func(p redis.Pipeliner) Result[int64] { return p.Exists(context.Background(), key) })
		if err != nil || n != want {
			t.Errorf("%s: there are %d, want %d (%v)", key, n, want, err)
		}
	}
}
