package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"github.com/muster-iot/muster/bench/process"
	"github.com/muster-iot/muster/certificate"
	"github.com/muster-iot/muster/certificate/selfsigned"
)

// bed is what one benchmark uses: a temporary directory, the binary under test and the
// processes that were started.
type bed struct {
	dir     string
	fleet   string // where a server under test keeps what it stores
	binary  string
	started []*process.Process
	began   time.Time

	files   certificate.Pair // of the servers' certificate; empty until it is needed
	clients *tls.Config
}

// makeBed prepares a bed: it raises the limit on open files, makes the directory and
// builds the binary where none is given.
func makeBed(ctx context.Context, o options) (*bed, error) {
	if err := process.RaiseFiles(uint64(o.connections()) + 200); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "muster-bench-")
	if err != nil {
		return nil, err
	}
	b := &bed{dir: dir, fleet: cmp.Or(o.fleet, dir), binary: o.muster, began: time.Now()}
	if o.sides.muster() && b.binary == "" {
		err = b.build(ctx)
	}
	if err != nil {
		b.close()
		return nil, err
	}
	return b, nil
}

func (b *bed) build(ctx context.Context) error {
	b.progress("building muster")
	b.binary = filepath.Join(b.dir, "muster")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", b.binary, "github.com/muster-iot/muster/cmd/muster")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("building muster: %w\n%s", err, out)
	}
	return nil
}

// certificate returns the files of a certificate for servers on this machine, and how clients
// connect to them. Go's clients would offer key exchanges that few devices support and Mosquitto's
// library may not: all use X25519 or P-256.
func (b *bed) certificate() (certificate.Pair, *tls.Config, error) {
	if b.clients != nil {
		return b.files, b.clients, nil
	}
	b.files = certificate.Pair{Cert: filepath.Join(b.dir, "tls.crt"), Key: filepath.Join(b.dir, "tls.key")}
	pool, err := selfsigned.Write(b.files, b.began, b.began.Add(24*time.Hour), "127.0.0.1")
	if err != nil {
		return b.files, nil, err
	}
	b.clients = &tls.Config{
		RootCAs: pool, ServerName: "127.0.0.1", NextProtos: []string{"mqtt"},
		CurvePreferences: []tls.CurveID{tls.X25519, tls.CurveP256},
	}
	return b.files, b.clients, nil
}

// close stops what still runs, the youngest first, and removes all files, but not a fleet
// that is kept.
func (b *bed) close() {
	for _, p := range slices.Backward(b.started) {
		p.Stop()
	}
	_ = os.RemoveAll(b.dir)
}

// start runs a server that logs into a file of the bed.
func (b *bed) start(name string, environment []string, path string, args ...string) (*process.Process, error) {
	p, err := process.Start(name, filepath.Join(b.dir, name+".log"), environment, path, args...)
	if err != nil {
		return nil, err
	}
	b.started = append(b.started, p)
	return p, nil
}

// progress logs a line to stderr, with the time since the start.
func (b *bed) progress(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "%6.1fs  %s\n", time.Since(b.began).Seconds(), fmt.Sprintf(format, args...))
}
