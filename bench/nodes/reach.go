package nodes

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/muster-iot/muster/bench/device"
	"github.com/muster-iot/muster/bench/process"
	"github.com/muster-iot/muster/bench/report"
	"github.com/muster-iot/muster/bench/swarm"
	"github.com/muster-iot/muster/simulator/mqttlite"
)

const reached = 100 // devices that something is done to, one after the other

// reach measures how long it takes until a device of the second server of s notices what the first one was
// asked to do, from the request on.
func (l *lab) reach(ctx context.Context, s *setup, t *report.Table) error {
	const product = "reach"
	devices, err := s.stock(ctx, product, reached, []byte("what runs"))
	if err != nil {
		return err
	}
	here, there := s.servers[0], s.servers[1:2]
	swarms, err := connect(ctx, there, devices, l.Dialers, func(d swarm.Credentials, c *mqttlite.Conn) error {
		return device.Handshake(c, d.ID, device.Greeting(product, 1), 1)
	})
	if err != nil {
		return err
	}
	defer disconnect(swarms)
	connected := swarms[0]
	add := func(what string, took []time.Duration) {
		l.Progress("%s: p99 %.0f ms", what, report.Milliseconds(took, 0.99))
		t.Add(what, report.Milliseconds(took, 0.5), report.Milliseconds(took, 0.99), report.Milliseconds(took, 1))
	}
	each := func(what string, ask func(id string) error, noticed func(id string, c *mqttlite.Conn) error) error {
		took := make([]time.Duration, len(devices))
		for i, d := range devices {
			began := time.Now()
			if err := errors.Join(ask(d.ID), noticed(d.ID, connected.Conns[i])); err != nil {
				return fmt.Errorf("%s, %s: %w", what, d.ID, err)
			}
			took[i] = time.Since(began)
		}
		add(what, took)
		return nil
	}
	post := func(path string, in any) func(id string) error {
		return func(id string) error {
			return here.Call(ctx, http.MethodPost, "/v1/devices/"+id+path, in, nil)
		}
	}
	message := func(of string) func(string, *mqttlite.Conn) error {
		return func(id string, c *mqttlite.Conn) error { return device.Await(c, id, of) }
	}
	if err := each("a command", post("/commands", map[string]any{"name": "blink"}), message("cmd/")); err != nil {
		return err
	}

	if err := here.Upload(ctx, product, "2", make([]byte, imageSize)); err != nil {
		return err
	}
	if err := process.Pause(ctx, time.Second); err != nil { // the upload itself has arrived everywhere
		return err
	}
	offered, ended := make([]time.Duration, len(devices)), make(chan error, 1)
	began := time.Now()
	go func() {
		ended <- connected.Each(ctx, func(_ context.Context, i int, c *mqttlite.Conn) error {
			err := device.Await(c, devices[i].ID, "offer")
			offered[i] = time.Since(began)
			return err
		})
	}()
	err = here.Call(ctx, http.MethodPut, "/v1/products/"+product+"/firmware/release", map[string]any{"version": "2", "product_default": true, "intelligent": true}, nil)
	if err != nil {
		connected.Close()
	}
	if err := errors.Join(err, <-ended); err != nil {
		return fmt.Errorf("an immediate release: %w", err)
	}
	add(fmt.Sprintf("an immediate release, to all %d", reached), offered)

	if err := each("a stop", post("/updates/stop", nil), message("stop")); err != nil {
		return err
	}
	disable := func(id string) error {
		return here.Call(ctx, http.MethodPut, "/v1/products/"+product+"/devices/"+id, map[string]any{"disabled": true}, nil)
	}
	return each("disabled: its connection ends", disable, func(_ string, c *mqttlite.Conn) error { return device.AwaitEnd(c) })
}
