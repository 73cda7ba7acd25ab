package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/muster-iot/muster/bench/report"
	"github.com/muster-iot/muster/wire"
)

// benchmark is one command.
type benchmark struct {
	name     string
	about    string
	defaults options
	alone    bool // compares with nobody
	apart    bool // takes minutes: not one of all
	run      func(ctx context.Context, b *bed, o options) (*report.Result, error)
}

// options are the values of the flags. Each benchmark has its own defaults.
type options struct {
	runs    int           // of each server, interleaved
	devices int           // connections
	dialers int           // connections being made at the same time
	size    int64         // bytes of an image
	chunks  []uint32      // bytes of image data per chunk, measured one after the other
	window  uint32        // chunks in flight to a device
	topics  topics        // of Mosquitto's subscribers
	settle  time.Duration // rest before memory is read
	clients int           // of the REST API, at the same time
	asked   int           // requests of each kind
	online  int           // connections, where not every device has one
	secure  bool          // over TLS
	loaded  int           // devices that download at the same time, where not all do
	fleets  []int         // devices of the fleets that servers are started on
	fleet   string        // folder to keep the fleet in; "": a temporary one
	sides   sides
	muster  string        // path of the binary; "": build it
	serve   []string      // further arguments of muster serve
	timeout time.Duration // of the whole benchmark
}

var benchmarks = []benchmark{
	{
		name: "handshakes", about: "full handshakes per second against Mosquitto's bare CONNECT",
		defaults: options{runs: 7, devices: 5000, dialers: 64, timeout: 5 * time.Minute}, run: handshakes,
	},
	{
		name: "firmware", about: "firmware delivered and verified per second against Mosquitto relaying the same chunks",
		defaults: options{runs: 11, devices: 100, dialers: 64, size: 4 << 20, chunks: []uint32{4 << 10, 16 << 10}, window: 16, timeout: 10 * time.Minute}, run: firmware,
	},
	{
		name: "tls", about: "full and resumed TLS handshakes, and firmware over TLS, against Mosquitto's",
		defaults: options{runs: 5, devices: 2000, loaded: 50, dialers: 64, size: 2 << 20, chunks: []uint32{1 << 10, 4 << 10, 16 << 10}, window: 16, secure: true, timeout: 10 * time.Minute}, run: overTLS,
	},
	{
		name: "memory", about: "memory per idle connected device",
		defaults: options{runs: 1, devices: 10000, dialers: 64, settle: 20 * time.Second, timeout: 10 * time.Minute}, run: memory,
	},
	{
		name: "rush", about: "memory while every device downloads at once",
		defaults: options{runs: 1, devices: 1000, dialers: 64, size: 1 << 20, chunks: []uint32{4 << 10}, window: wire.DefaultWindow, settle: 20 * time.Second, timeout: 10 * time.Minute}, run: rush,
	},
	{
		name: "halt", about: "how long a halted release still sends, while every device downloads", alone: true,
		defaults: options{runs: 3, devices: 10_000, dialers: 64, size: 4 << 20, chunks: []uint32{4 << 10}, window: 2, timeout: 10 * time.Minute}, run: halt,
	},
	{
		name: "lists", about: "pages of a long list of devices, and the impact of a release, over HTTP", alone: true, apart: true,
		defaults: options{devices: 1_000_000, dialers: 64, clients: 2, asked: 400, online: 1000, settle: 20 * time.Second, timeout: 4 * time.Hour}, run: lists,
	},
	{
		name: "nodes", about: "several servers on one Redis: handshakes, round trips and bytes, and growth with the fleet", alone: true, apart: true,
		defaults: options{devices: 3000, dialers: 64, fleets: []int{1000, 100_000}, settle: 5 * time.Second, timeout: 30 * time.Minute}, run: several,
	},
}

func main() {
	debug.SetGCPercent(400) // the load generator shares the processors with the server it measures
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	code := command(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}

// command runs the benchmarks that args name. It returns the exit code: 0 all bars met,
// 1 a bar missed or a benchmark failed, 2 wrong use.
func command(ctx context.Context, args []string) int {
	if len(args) == 0 {
		usage()
		return 2
	}
	name, code, found := args[0], 0, false
	for _, m := range benchmarks {
		if name == m.name || name == "all" && !m.apart {
			found = true
			code = max(code, m.command(ctx, args[1:]))
		}
	}
	if !found {
		usage()
		return 2
	}
	return code
}

func usage() {
	fmt.Fprintln(os.Stderr, "usage: go run ./bench <name> [flags] [-- further arguments of muster serve]")
	for _, m := range benchmarks {
		fmt.Fprintf(os.Stderr, "  %-11s %s\n", m.name, m.about)
	}
	fmt.Fprintf(os.Stderr, "  %-11s %s\n", "all", "one after the other, without lists and nodes")
	fmt.Fprintln(os.Stderr, "go run ./bench <name> -h lists its flags")
}

func (m benchmark) command(ctx context.Context, args []string) int {
	o := m.defaults
	flags := flag.NewFlagSet(m.name, flag.ContinueOnError)
	o.register(flags)
	noBar := flags.Bool("no-bar", false, "exit 0 also when a bar is missed")
	asJSON := flags.Bool("json", false, "print JSON instead of a table")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return 2
	}
	o.serve = flags.Args()
	r, err := m.measure(ctx, o)
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", m.name, err)
		return 1
	}
	if *asJSON {
		encoder := json.NewEncoder(os.Stdout)
		encoder.SetIndent("", "  ")
		err = encoder.Encode(r)
	} else {
		err = r.Print(os.Stdout)
	}
	if err != nil || !r.Met() && !*noBar {
		return 1
	}
	return 0
}

// measure runs m with a bed of its own, at most o.timeout long.
func (m benchmark) measure(ctx context.Context, o options) (*report.Result, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, o.timeout, fmt.Errorf("not done after %v", o.timeout))
	defer cancel()
	b, err := makeBed(ctx, o)
	if err != nil {
		return nil, err
	}
	defer b.close()
	r, err := m.run(ctx, b, o)
	if err != nil && ctx.Err() != nil {
		err = fmt.Errorf("%w: %w", context.Cause(ctx), err)
	}
	if r != nil {
		r.Name, r.About = m.name, m.about
	}
	return r, err
}
