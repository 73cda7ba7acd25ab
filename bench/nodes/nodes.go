// Package nodes measures servers that share a Redis: how fast they admit devices and what that
// costs them and Redis, what they exchange with Redis, how soon what is done at one acts on devices of
// another, and how start and memory grow with the fleet.
package nodes

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/muster-iot/muster/bench/process"
	"github.com/muster-iot/muster/bench/report"
	"github.com/muster-iot/muster/bench/server"
	"github.com/muster-iot/muster/bench/swarm"
	"github.com/muster-iot/muster/store/redisserver"
)

// Options are what is measured with what.
type Options struct {
	Binary   string   // muster
	Folder   string   // for all files
	Password string   // of the owner
	Flags    []string // further flags of muster serve
	Devices  int
	Dialers  int   // connections being made at the same time
	Fleets   []int // devices of the fleets that servers are started on
	Settle   time.Duration
	Progress func(format string, args ...any)
}

const (
	product = "bench"
	servers = 3 // at most
	runs    = 3 // of each setup
)

// Measure measures all of it. It ends what it started.
func Measure(ctx context.Context, o Options) (*report.Result, error) {
	l := &lab{Options: o}
	defer l.close()
	r := &report.Result{Setting: []string{
		process.Machine(),
		fmt.Sprintf("%d devices, %d being connected at a time, medians of %d runs; all servers and Redis share the CPUs", o.Devices, o.Dialers, runs),
		"every Redis is append-only and syncs each write, in " + os.TempDir(),
		"load average at the start: " + load(),
	}}
	handshakes := report.Table{What: "full handshakes", Columns: []string{"1/s", "servers' CPU, µs each", "Redis' CPU, µs each", "p50, ms", "p99, ms"}}
	traffic := report.Table{What: "with Redis", Columns: []string{"read trips", "write trips", "operations", "commands", "bytes to it", "bytes from it", "servers' CPU, µs", "Redis' CPU, µs"}}
	reach := report.Table{What: "from the request at one server to a device of another", Columns: []string{"p50, ms", "p99, ms", "most, ms"}}
	growth := report.Table{What: "devices", Columns: []string{"filled in, s", "start alone, s", "start joined, s", "RSS alone, MiB", "RSS joined, MiB", "Redis, MiB", "its bytes per device", "first page, ms", "median of 50, ms"}}
	for _, part := range []func(context.Context) error{
		func(ctx context.Context) error { return l.own(ctx, &handshakes) },
		func(ctx context.Context) error { return l.shared(ctx, &handshakes, &traffic, &reach) },
		func(ctx context.Context) error { return l.cluster(ctx, &handshakes) },
		func(ctx context.Context) error { return l.growth(ctx, &growth) },
	} {
		if err := part(ctx); err != nil {
			return nil, err
		}
		l.close() // each part begins with an idle machine
	}
	r.Setting = append(r.Setting, "load average at the end: "+load())
	r.Tables = []report.Table{handshakes, traffic, reach, growth}
	return r, nil
}

// load is the machine's load averages: of 1, 5 and 15 minutes.
func load() string {
	data, err := os.ReadFile("/proc/loadavg")
	if err != nil || len(data) < 14 {
		return "unknown"
	}
	return string(data[:14])
}

// lab is what runs.
type lab struct {
	Options
	ends []func()
}

func (l *lab) atEnd(end func()) { l.ends = append(l.ends, end) }

func (l *lab) close() {
	for _, end := range slices.Backward(l.ends) {
		end()
	}
	l.ends = nil
}

// setup is servers and the Redis they use.
type setup struct {
	servers []*server.Muster
	redis   redis
}

// begin starts another server of s. fleet names its folder, where all servers of a fleet share the
// images.
func (l *lab) begin(ctx context.Context, s *setup, fleet string, flags ...string) error {
	name := fmt.Sprintf("%s-%d", fleet, len(s.servers))
	data, images := filepath.Join(l.Folder, name), filepath.Join(l.Folder, fleet+"-images")
	if err := errors.Join(os.MkdirAll(data, 0o700), os.MkdirAll(images, 0o700)); err != nil {
		return err
	}
	if err := os.Symlink(images, filepath.Join(data, "images")); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	if s.redis.url != "" {
		flags = append(flags, "--redis", s.redis.url)
	}
	l.Progress("starting %s %v", name, flags)
	started, err := server.Start(ctx, server.Config{
		Name: name, Binary: l.Binary, Folder: l.Folder, Data: data, Password: l.Password, Flags: append(flags, l.Flags...),
		Settings: []string{"MUSTER_QUOTA_DEVICES=10000000", "MUSTER_OTA_MAX_UPDATES=100000"},
	})
	if err != nil {
		return err
	}
	l.atEnd(started.Stop)
	s.servers = append(s.servers, started)
	return nil
}

// joined are the flags of a server among several.
func joined(more ...string) []string { return append([]string{"--join", "--drain", "0"}, more...) }

func (s *setup) stop() {
	for _, each := range s.servers {
		each.Stop()
	}
	s.servers = nil
}

// quiet waits until the servers have nothing more to do.
func (s *setup) quiet(ctx context.Context) error {
	for _, each := range s.servers {
		if err := each.Quiet(ctx); err != nil {
			return err
		}
	}
	return nil
}

// stock adds n devices to a product that is made for them, which has image as version 1 and default.
func (s *setup) stock(ctx context.Context, product string, n int, image []byte) ([]swarm.Credentials, error) {
	m := s.servers[0]
	if err := m.CreateProduct(ctx, product); err != nil {
		return nil, err
	}
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprintf("%s-%07d", product, i)
	}
	secrets, err := m.Import(ctx, product, ids)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(m.Upload(ctx, product, "1", image), m.Release(ctx, product, "1")); err != nil {
		return nil, err
	}
	return swarm.Devices(ids, secrets), process.Pause(ctx, time.Second) // the other servers follow
}

// own measures one server with the redis-server that it starts.
func (l *lab) own(ctx context.Context, t *report.Table) error {
	var s setup
	if err := l.begin(ctx, &s, "own"); err != nil {
		return err
	}
	socket, err := redisserver.FindSocket(filepath.Join(l.Folder, "own-0", "redis"))
	if err != nil {
		return err
	}
	s.redis.network, s.redis.addresses = "unix", []string{socket}
	devices, err := s.stock(ctx, product, l.Devices, []byte("what runs"))
	if err != nil {
		return err
	}
	return l.admissions(ctx, &s, "one, its own Redis", devices, t)
}

// shared measures one server alone and one, two and three joined, on the same Redis.
func (l *lab) shared(ctx context.Context, handshakes, traffic, reach *report.Table) error {
	var s setup
	var err error
	if s.redis, err = l.startRedis(ctx, "redis"); err != nil {
		return err
	}
	if err := l.begin(ctx, &s, "shared"); err != nil {
		return err
	}
	devices, err := s.stock(ctx, product, l.Devices, []byte("what runs"))
	if err != nil {
		return err
	}
	if err := l.admissions(ctx, &s, "one, --redis", devices, handshakes); err != nil {
		return err
	}
	if err := l.exchanges(ctx, &s, "alone", devices, traffic); err != nil {
		return err
	}
	s.stop()
	for n := range servers {
		if err := l.begin(ctx, &s, "shared", joined()...); err != nil {
			return err
		}
		if err := l.admissions(ctx, &s, fmt.Sprintf("%d with --join", n+1), devices, handshakes); err != nil {
			return err
		}
	}
	if err := l.exchanges(ctx, &s, fmt.Sprintf("%d joined", servers), devices, traffic); err != nil {
		return err
	}
	return l.reach(ctx, &s, reach)
}
