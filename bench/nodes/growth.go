package nodes

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/muster-iot/muster/bench/device"
	"github.com/muster-iot/muster/bench/process"
	"github.com/muster-iot/muster/bench/report"
	"github.com/muster-iot/muster/bench/swarm"
	"github.com/muster-iot/muster/simulator/mqttlite"
)

// growth measures what start and memory take with each fleet.
func (l *lab) growth(ctx context.Context, t *report.Table) error {
	for _, n := range l.Fleets {
		if err := l.grown(ctx, n, t); err != nil {
			return fmt.Errorf("%d devices: %w", n, err)
		}
		l.close()
	}
	return nil
}

const mebibyte = 1 << 20

func (l *lab) grown(ctx context.Context, n int, t *report.Table) error {
	name := fmt.Sprint("fleet-", n)
	var s setup
	var err error
	if s.redis, err = l.startRedis(ctx, name+"-redis"); err != nil {
		return err
	}
	if err := l.begin(ctx, &s, name); err != nil {
		return err
	}
	began := time.Now()
	if err := l.fill(ctx, &s, n); err != nil {
		return err
	}
	filled := time.Since(began)
	alone, err := l.restarted(ctx, &s, name, n)
	if err != nil {
		return err
	}
	joined, err := l.restarted(ctx, &s, name, n, joined()...)
	if err != nil {
		return err
	}
	i, err := s.redis.info()
	if err != nil {
		return err
	}
	memory := i.numbers["used_memory"]
	t.Add(fmt.Sprint(n), filled.Seconds(), alone.start.Seconds(), joined.start.Seconds(), alone.resident/mebibyte, joined.resident/mebibyte, memory/mebibyte, memory/float64(n),
		report.Milliseconds(joined.pages[:1], 0), report.Milliseconds(joined.pages, 0.5))
	return nil
}

// fill imports n devices, several requests at a time, and has a handshake of each.
func (l *lab) fill(ctx context.Context, s *setup, n int) error {
	m := s.servers[0]
	if err := m.CreateProduct(ctx, product); err != nil {
		return err
	}
	const batch, importers = 2000, 4
	parts := make(chan int, n/batch+1)
	for from := 0; from < n; from += batch {
		parts <- from
	}
	close(parts)
	var wait sync.WaitGroup
	failed := make([]error, importers)
	for i := range importers {
		wait.Go(func() {
			for from := range parts {
				if failed[i] == nil {
					failed[i] = l.fillPart(ctx, s, from, min(batch, n-from), n)
				}
			}
		})
	}
	wait.Wait()
	return errors.Join(failed...)
}

// fillPart imports count devices from number from on, and has a handshake of each.
func (l *lab) fillPart(ctx context.Context, s *setup, from, count, all int) error {
	ids := make([]string, count)
	for i := range ids {
		ids[i] = fmt.Sprintf("nrf-3525%08d", (from+i)*7919%100_000_007) // in no order
	}
	secrets, err := s.servers[0].Import(ctx, product, ids)
	if err != nil {
		return err
	}
	swarms, err := connect(ctx, s.servers, swarm.Devices(ids, secrets), max(l.Dialers/4, 1), func(d swarm.Credentials, c *mqttlite.Conn) error {
		err := device.Handshake(c, d.ID, device.Greeting(product, 1), 0)
		return errors.Join(err, c.Close())
	})
	if err == nil && from%50_000 == 0 {
		l.Progress("filling in: device %d of %d", from, all)
	}
	disconnect(swarms)
	return err
}

// grown is a server that was started on a fleet.
type grown struct {
	start    time.Duration // until it was ready
	resident float64       // bytes, after a rest
	pages    []time.Duration
}

// restarted starts a server again and lists the first page of devices.
func (l *lab) restarted(ctx context.Context, s *setup, name string, n int, flags ...string) (g grown, err error) {
	s.stop()
	if err := l.begin(ctx, s, name, flags...); err != nil {
		return g, err
	}
	m := s.servers[0]
	g.start = m.Started
	l.Progress("%d devices: ready after %.1f s", n, g.start.Seconds())
	if err := process.Pause(ctx, l.Settle); err != nil {
		return g, err
	}
	now, _, err := process.Resident(m.PID)
	if err != nil {
		return g, err
	}
	g.resident = float64(now)
	for range 50 {
		var page struct {
			Total int `json:"total"`
		}
		began := time.Now()
		if err := m.Send(ctx, http.MethodGet, "/v1/devices?pageLimit=100", "", nil, &page); err != nil {
			return g, err
		}
		g.pages = append(g.pages, time.Since(began))
		if page.Total != min(n, 100) {
			return g, fmt.Errorf("the first page has %d devices", page.Total)
		}
	}
	return g, nil
}
