package grant

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/muster-iot/muster/store/keys"
	"github.com/muster-iot/muster/store/node"
	"github.com/muster-iot/muster/store/pipeline"
	"github.com/muster-iot/muster/store/redisserver"
)

// user uses a limit together with others as fast as it can.
type user struct {
	most  int64
	total *atomic.Int64 // in use by all
	over  *atomic.Int64 // the most it ever was above most

	mu    sync.Mutex
	bound int64 // guarded by mu
	held  int64 // guarded by mu
}

func (u *user) Share(shares map[string]Allowance) map[string]Need {
	u.mu.Lock()
	defer u.mu.Unlock()
	if share, has := shares["slots"]; has {
		u.bound = share.Bound
	}
	return map[string]Need{"slots": {Most: u.most, Held: u.held, Wants: u.most}}
}

// take takes what it may and gives it back.
func (u *user) take(ctx context.Context, g *Grants) (took int64) {
	u.mu.Lock()
	for u.held < u.bound {
		u.held++
		took++
		if n := u.total.Add(1); n > u.most {
			u.over.Store(n - u.most)
		}
	}
	u.mu.Unlock()
	_ = g.Ask(ctx) // it keeps them for an exchange
	u.mu.Lock()
	defer u.mu.Unlock()
	u.total.Add(-u.held)
	u.held = 0
	return took
}

// TestServersThatExchangeAtTheSameTimeHaveNoMoreThanTheLimit is all of it, on a Redis.
func TestServersThatExchangeAtTheSameTimeHaveNoMoreThanTheLimit(t *testing.T) {
	t.Parallel()
	memory := redisserver.NewMemory()
	t.Cleanup(memory.Close)
	log := slog.New(slog.DiscardHandler)
	p := pipeline.New(pipeline.Target{Server: &redis.Options{Addr: "memory", Dialer: memory.Dial}}, log, nil, pipeline.Guard{})
	t.Cleanup(p.Close)
	ctx, cancel := context.WithCancel(t.Context())
	var total, over atomic.Int64
	var running, using sync.WaitGroup
	const most = 7
	all := make([]*Grants, 3)
	for i := range all {
		nodes := node.New(node.Config{Role: fmt.Sprint(i), Log: log, Changed: func(string, bool) {}, At: p.Master})
		if err := nodes.Join(ctx); err != nil {
			t.Fatal(err)
		}
		u := &user{most: most, total: &total, over: &over}
		all[i] = New(nodes, log, u)
		running.Go(func() { nodes.Run(ctx) })
		running.Go(func() { all[i].Run(ctx) })
		using.Go(func() {
			for took := int64(0); took < 40; took += u.take(ctx, all[i]) {
				if ctx.Err() != nil {
					return
				}
			}
		})
	}
	using.Wait()
	for _, g := range all {
		if err := g.Leave(ctx); err != nil {
			t.Error(err)
		}
	}
	cancel()
	running.Wait()
	if n := over.Load(); n > 0 {
		t.Errorf("%d more than the limit were in use", n)
	}
	m, err := p.Master(keys.Grants)
	if err != nil {
		t.Fatal(err)
	}
	for id, text := range m.HGetAll(t.Context(), keys.Grants).Val() {
		if id != "version" && text != "" {
			t.Errorf("%s has left and has %q", id, text)
		}
	}
}
