package identity

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

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
	client := redis.NewClient(&redis.Options{
		Network: "unix", Addr: server.Socket(), ConnMaxLifetime: time.Nanosecond, MaxRetries: -1,
		OnConnect: func(ctx context.Context, c *redis.Conn) error {
			recognized++
			return keeper.Recognize(ctx, pipeline.Only(c))
		},
	})
	t.Cleanup(func() { _ = client.Close() })
	if err := server.Await(ctx, func(ctx context.Context) error { return client.Ping(ctx).Err() }); err != nil {
		t.Fatal(err)
	}
	if err := keeper.Take(ctx, func(string) (pipeline.Master, error) { return pipeline.Only(client), nil }, func(context.Context) (Found, error) { return Found{}, nil }); err != nil {
		t.Fatal(err)
	}
	recognized = 0
	ended := make(chan error, 1)
	go func() { ended <- keeper.Confirm(ctx, pipeline.Only(client)) }()
	select {
	case err := <-ended:
		if err != nil || recognized < 2 {
			t.Errorf("got %v after %d new connections, want a renewal with several", err, recognized)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("the renewal waits for itself")
	}
}
