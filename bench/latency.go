package main

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/muster-iot/muster/bench/process"
	"github.com/muster-iot/muster/bench/report"
	"github.com/muster-iot/muster/bench/rest"
)

// slowest is the greatest p99 of what was asked, nil for nothing.
func slowest(all []report.Asked) *float64 {
	if len(all) == 0 {
		return nil
	}
	worst := slices.MaxFunc(all, func(a, b report.Asked) int { return cmp.Compare(a.P99, b.P99) })
	return &worst.P99
}

// newClient is an HTTP client that keeps as many connections as there are clients.
func newClient(clients int) *http.Client {
	return &http.Client{Timeout: rest.Timeout, Transport: &http.Transport{MaxIdleConnsPerHost: clients, DisableCompression: true}}
}

// inTurns calls request n times from several clients, with 0 to n-1, and returns how long
// each took. It ends with the first error.
func inTurns(ctx context.Context, clients, n int, request func(ctx context.Context, i int) error) ([]time.Duration, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	took := make([]time.Duration, n)
	var next atomic.Int64
	var wait sync.WaitGroup
	for range clients {
		wait.Go(func() {
			for i := int(next.Add(1)) - 1; i < n && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				began := time.Now()
				if err := request(ctx, i); err != nil {
					cancel(err)
				}
				took[i] = time.Since(began)
			}
		})
	}
	wait.Wait()
	return took, context.Cause(ctx)
}

// probe sends a request again and again, with a pause, while something else runs.
type probe struct {
	what string
	took []time.Duration
	err  error
	stop func() // ends it and waits
}

func startProbe(ctx context.Context, what string, every time.Duration, ask func() error) *probe {
	p := &probe{what: what}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for process.Pause(ctx, every) == nil {
			began := time.Now()
			if p.err = ask(); p.err != nil {
				return
			}
			p.took = append(p.took, time.Since(began))
		}
	}()
	p.stop = func() {
		cancel()
		<-done
	}
	return p
}
