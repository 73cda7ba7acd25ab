package identity

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/muster-iot/muster/store/keys"
	"github.com/muster-iot/muster/store/pipeline"
	"github.com/muster-iot/muster/store/redisserver"
)

// TestARenewalMayNeedANewConnection takes a new connection for each command, as after CLIENT
// KILL: a connection is recognized before it is used, also in the middle of a renewal.
func TestARenewalMayNeedANewConnection(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	log := slog.New(slog.DiscardHandler)
	server, err := redisserver.Start(ctx, t.TempDir(), log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	keeper := New(Config{Log: log, Changed: func(c Change) { t.Errorf("redis has changed: %+v", c) }})
	recognized := 0
	o := &redis.Options{Network: "unix", Addr: server.Socket(), ConnMaxLifetime: time.Nanosecond}
	p := pipeline.New(pipeline.Target{Server: o}, log, nil, pipeline.Guard{Recognize: func(ctx context.Context, m pipeline.Master) error {
		recognized++
		return keeper.Recognize(ctx, m)
	}})
	t.Cleanup(p.Close)
	client, err := p.Master(keys.Store)
	if err == nil {
		err = server.Await(ctx, func(ctx context.Context) error {
			for {
				if err := client.Ping(ctx).Err(); err == nil || ctx.Err() != nil {
					return err
				}
				<-time.After(10 * time.Millisecond)
			}
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := keeper.Take(ctx, p.Master, func(context.Context) (Found, error) { return Found{}, nil }); err != nil {
		t.Fatal(err)
	}
	recognized = 0
	ended := make(chan error, 1)
	go func() { ended <- keeper.Confirm(ctx, client) }()
	select {
	case err := <-ended:
		if err != nil || recognized < 2 {
			t.Errorf("got %v after %d new connections, want a renewal with several", err, recognized)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("the renewal waits for itself")
	}
}
