package main

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// asked is how long requests of one kind took, in ms.
type asked struct {
	What     string  `json:"what"`
	Requests int     `json:"requests"`
	P50      float64 `json:"p50"`
	P99      float64 `json:"p99"`
	Max      float64 `json:"max"`
	CPU      float64 `json:"cpu"` // of the server and its Redis, each, with what else it did meanwhile
}

func summary(what string, took []time.Duration) asked {
	return asked{
		What: what, Requests: len(took), P50: milliseconds(took, 0.5), P99: milliseconds(took, 0.99), Max: milliseconds(took, 1),
	}
}

// latencies is the table of what was asked, nothing where nothing was.
func (r *report) latencies() (text []byte) {
	if len(r.Asked) == 0 {
		return nil
	}
	text = append(text, "\nms\tp50\tp99\tmax\tserver CPU\trequests\t\n"...)
	for _, a := range r.Asked {
		text = fmt.Appendf(text, "%s\t%s\t%s\t%s\t%s\t%d\t\n", a.What, number(a.P50), number(a.P99), number(a.Max), number(a.CPU), a.Requests)
	}
	return text
}

// slowest is the greatest p99 of what was asked, nil for nothing.
func slowest(all []asked) *float64 {
	if len(all) == 0 {
		return nil
	}
	worst := slices.MaxFunc(all, func(a, b asked) int { return cmp.Compare(a.P99, b.P99) })
	return &worst.P99
}

// newClient is an HTTP client that keeps as many connections as there are clients.
func newClient(clients int) *http.Client {
	return &http.Client{Timeout: restTimeout, Transport: &http.Transport{MaxIdleConnsPerHost: clients, DisableCompression: true}}
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

// probe asks something again and again, with a pause, while something else goes on.
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
		for pause(ctx, every) == nil {
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
