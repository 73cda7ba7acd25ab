package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/simulator"
)

// storm runs acts and faults concurrently, one of each at a time.
func (r *round) storm(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	end := time.Now().Add(r.config.storm)
	var breaking sync.WaitGroup
	breaking.Go(func() {
		for random, all := r.random("faults"), r.chosen(); len(all) > 0 && time.Now().Before(end) && ctx.Err() == nil; {
			wait(ctx, time.Duration(500+random.IntN(2500))*time.Millisecond)
			if err := r.breakOnce(ctx, all[random.IntN(len(all))], random); err != nil {
				cancel(err)
			}
		}
	})
	for random := r.random("acts"); time.Now().Before(end) && ctx.Err() == nil; {
		if err := r.act(ctx, draw(random, r.config.acts), random); err != nil {
			cancel(err)
		}
		if r.cluster != nil {
			if err := r.probe(ctx, random); err != nil {
				cancel(err)
			}
		}
		if random.IntN(3) == 0 { // a release reaches a device at its next handshake
			ids := r.some(random, len(r.ids)/2)
			for _, id := range ids {
				if d, _ := r.fleet.Device(id); d.State == simulator.Downloading {
					r.interrupted[id]++
				}
			}
			r.fleet.Rehello(ids...)
		}
		wait(ctx, time.Duration(random.IntN(1500))*time.Millisecond)
	}
	breaking.Wait()
	return context.Cause(ctx)
}

// breakOnce lets one fault happen and heal.
func (r *round) breakOnce(ctx context.Context, f fault, random *rand.Rand) error {
	lasts := f.least + time.Duration(random.Int64N(int64(f.most-f.least)))
	r.say("fault %s for %v", f.name, lasts.Round(time.Millisecond))
	r.broken.Add(1)
	defer r.broken.Add(1)
	err := f.begin(ctx, r, random)
	if errors.Is(err, errNotHere) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s: %w", f.name, err)
	}
	r.faults++
	r.met[f.name]++
	wait(ctx, lasts)
	if r.starved != nil {
		r.starved()
		r.starved = nil
	}
	if f.heal != nil {
		if err := f.heal(context.WithoutCancel(ctx), r); err != nil {
			return fmt.Errorf("%s, healing: %w", f.name, err)
		}
	}
	for _, s := range r.servers {
		if err := s.ready(ctx, healing); err != nil {
			s.dump(ctx)
			return fmt.Errorf("after %s: %s: %w", f.name, s.http, err)
		}
	}
	r.say("healed %s", f.name)
	return nil
}

// draw draws one of the acts that only names, "" for all.
func draw(random *rand.Rand, only string) act {
	var some []act
	for _, a := range acts {
		if only == "" || slices.Contains(strings.Split(only, ","), a.name) {
			some = append(some, slices.Repeat([]act{a}, a.weight)...)
		}
	}
	return some[random.IntN(len(some))]
}

// act does what an operator does: the same again until the server acknowledges it.
func (r *round) act(ctx context.Context, a act, random *rand.Rand) error {
	call, effect := a.draw(r, random)
	if err := r.insist(ctx, a.name, call); err != nil {
		return err
	}
	r.world.change(effect)
	r.acts++
	r.done[a.name]++
	return nil
}

// insist repeats a call until it is acknowledged, at one server after the other. Only what says "try
// again later" is tried again: anything else is an answer no operator should get.
func (r *round) insist(ctx context.Context, what string, call call) error {
	r.say("%s", what)
	for began := time.Now(); ; wait(ctx, 200*time.Millisecond) {
		select {
		case r.acting <- struct{}{}:
		default:
		}
		err := r.attempt(ctx, call)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case !errors.Is(err, fleet.Unavailable) && !errors.Is(err, fleet.Busy) && !errors.Is(err, context.DeadlineExceeded):
			return fmt.Errorf("%s: an answer that no operator should get: %w", what, err)
		case time.Since(began) > healing+patience:
			return fmt.Errorf("%s: not acknowledged in %v: %w", what, healing+patience, err)
		}
		r.say("  again: %v", err)
	}
}

// attempt does a call once, at the next server. On a Cluster it waits for the answer of one that is
// suspended until that continues: a request that was given up might be carried out later.
func (r *round) attempt(ctx context.Context, call call) error {
	limit := 15 * time.Second
	if r.cluster != nil {
		limit = healing
	}
	acknowledged := r.acknowledged()
	acknowledged.Lock()
	defer acknowledged.Unlock()
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	s := r.next()
	r.asked.Store(s)
	return call(ctx, s)
}

// next is the server whose turn it is; one that is suspended, which has all acts wait, is mostly left out.
func (r *round) next() *server {
	for {
		n := r.turn.Add(1)
		if s := r.servers[n%uint32(len(r.servers))]; !s.suspended.Load() || n%5 == 0 {
			return s
		}
	}
}

func (r *round) say(format string, args ...any) {
	if r.config.verbose {
		fmt.Printf("%8.3f  %s\n", time.Since(r.began).Seconds(), fmt.Sprintf(format, args...))
	}
}

// wait waits for d or the end of ctx.
func wait(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
