package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"

	"github.com/muster-iot/muster/bench/server"
	"github.com/muster-iot/muster/bench/swarm"
	"github.com/muster-iot/muster/fleet"
)

// muster is a `muster serve` under test, with its default store: a redis-server of its
// own on a data folder of the bed.
type muster struct {
	*server.Muster
	mqtt swarm.Target
}

const product = "bench"

// startMuster starts the server. A second start on the same bed finds what the first one
// stored.
func (b *bed) startMuster(ctx context.Context, o options) (*muster, error) {
	password, err := b.ownerPassword()
	if err != nil {
		return nil, err
	}
	config := server.Config{
		Name: "muster", Binary: b.binary, Folder: b.dir, Data: filepath.Join(b.fleet, "data"), Password: password, Flags: o.serve,
		Settings: []string{
			fmt.Sprintf("MUSTER_QUOTA_DEVICES=%d", max(o.devices, 1_000_000)), // of one team
			fmt.Sprintf("MUSTER_OTA_MAX_UPDATES=%d", max(o.devices, 1000)),
		},
	}
	var target swarm.Target
	if o.secure {
		files, clients, err := b.certificate()
		if err != nil {
			return nil, err
		}
		config.Flags = append([]string{"--mqtts", "127.0.0.1:0", "--tls-cert", files.Cert, "--tls-key", files.Key}, o.serve...)
		target.TLS = clients
	}
	s, err := server.Start(ctx, config)
	if err != nil {
		return nil, err
	}
	b.started = append(b.started, s.Process)
	target.Address = s.MQTT
	if o.secure {
		target.Address = s.MQTTS
	}
	return &muster{Muster: s, mqtt: target}, nil
}

// ownerPassword is drawn once for each bed.
func (b *bed) ownerPassword() (string, error) {
	file := filepath.Join(b.fleet, "owner")
	if data, err := os.ReadFile(file); err == nil {
		return string(data), nil
	}
	password := rand.Text()
	if err := os.MkdirAll(b.fleet, 0o700); err != nil {
		return "", err
	}
	return password, os.WriteFile(file, []byte(password), 0o600)
}

// stock starts Muster with a product and n devices in it, which run version 1: the
// product's default where image is given.
func (b *bed) stock(ctx context.Context, o options, image []byte) (*muster, []swarm.Credentials, error) {
	b.progress("starting muster")
	m, err := b.startMuster(ctx, o)
	if err != nil {
		return nil, nil, err
	}
	if err := m.CreateProduct(ctx, product); err != nil {
		return nil, nil, err
	}
	b.progress("importing %d devices", o.devices)
	ids := swarm.IDs(o.devices)
	secrets, err := m.Import(ctx, product, ids)
	if err != nil {
		return nil, nil, err
	}
	if image != nil {
		err = m.publish(ctx, 1, image)
	}
	return m, swarm.Devices(ids, secrets), err
}

// publish uploads image as version n and makes it the default.
func (m *muster) publish(ctx context.Context, n uint32, image []byte) error {
	version := fleet.WholeVersion(n).String()
	if err := m.Upload(ctx, product, version, image); err != nil {
		return err
	}
	return m.Release(ctx, product, version)
}

// restart restarts the server on what it stored, so that its memory holds nothing of
// the preparation.
func (m *muster) restart(ctx context.Context, b *bed, o options) (*muster, error) {
	b.progress("restarting muster")
	m.Stop()
	return b.startMuster(ctx, o)
}

// gauges are the server's memory as Go's runtime counts it, in bytes.
type gauges struct{ stack, heap float64 }

func (m *muster) gauges(ctx context.Context) (g gauges, err error) {
	text, err := m.Metrics(ctx)
	if err != nil {
		return g, err
	}
	if g.stack, err = server.Metric(text, "go_memstats_stack_inuse_bytes"); err != nil {
		return g, err
	}
	g.heap, err = server.Metric(text, "go_memstats_heap_inuse_bytes")
	return g, err
}
