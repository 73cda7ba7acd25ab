package store

import (
	"context"
	"math"

	"github.com/redis/go-redis/v9"

	"github.com/muster-iot/muster/store/identity"
	"github.com/muster-iot/muster/store/pipeline"
	"github.com/muster-iot/muster/store/redisserver"
	"github.com/muster-iot/muster/store/require"
)

// Serve keeps the fleet in o.Dir, with a redis-server or valkey-server of its own: a
// child process that listens on a unix socket only, syncs every write before it is
// acknowledged, is restarted when it dies and ends with this process. While another process
// uses o.Dir, Serve waits until it has ended or ctx ends. Without a server on PATH the error
// explains what to do.
func Serve(ctx context.Context, o Options) (*Store, error) {
	s, _, err := serve(ctx, o)
	return s, err
}

func serve(ctx context.Context, o Options) (*Store, *redisserver.Server, error) {
	server, err := redisserver.Start(ctx, o.Dir, o.log())
	if err != nil {
		return nil, nil, err
	}
	s := assemble(pipeline.Target{Server: &redis.Options{Network: "unix", Addr: server.Socket()}}, o, identity.Every)
	s.server = server.Stop
	if err := server.Await(ctx, func(ctx context.Context) error { return require.Await(ctx, s.core.Pipeline, o.log()) }); err != nil {
		s.Close()
		return nil, nil, err
	}
	s, err = s.start(ctx)
	return s, server, err
}

// Ephemeral keeps the fleet in this process: nothing to install, no port, and everything is
// gone after Close. o.URL and o.Dir are not used.
func Ephemeral(_ context.Context, o Options) (*Store, error) {
	server := redisserver.NewMemory()
	s := assemble(pipeline.Target{Server: &redis.Options{Addr: "ephemeral", Dialer: server.Dial}}, o, 0)
	s.server = server.Close
	s.readyWithin = math.MaxInt64 // nobody else writes, so that nothing has to be confirmed
	s.read()
	return s, nil
}
