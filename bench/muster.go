package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/muster-iot/muster/bench/process"
	"github.com/muster-iot/muster/bench/rest"
	"github.com/muster-iot/muster/bench/swarm"
	"github.com/muster-iot/muster/fleet"
)

// muster is a `muster serve` under test, with its default store: a redis-server of its
// own on a data folder of the bed.
type muster struct {
	*process.Process
	*rest.Client
	mqtt swarm.Target
}

const (
	ownerEmail   = "bench@example.com"
	product      = "bench"
	startTimeout = 3 * time.Minute // a million devices take some of it
)

// startMuster starts the server. A second start on the same bed finds what the first one
// stored.
func (b *bed) startMuster(ctx context.Context, o options) (*muster, error) {
	password, err := b.ownerPassword()
	if err != nil {
		return nil, err
	}
	readyFile := filepath.Join(b.dir, "ready.json")
	if err := os.Remove(readyFile); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	environment := []string{
		"MUSTER_OWNER_EMAIL=" + ownerEmail, "MUSTER_OWNER_PASSWORD=" + password,
		fmt.Sprintf("MUSTER_QUOTA_DEVICES=%d", max(o.devices, 1_000_000)), // of one team
		fmt.Sprintf("MUSTER_OTA_MAX_UPDATES=%d", max(o.devices, 1000)),
	}
	args := append([]string{
		"serve", "--data", filepath.Join(b.fleet, "data"),
		"--mqtt", "127.0.0.1:0", "--http", "127.0.0.1:0", "--ready-file", readyFile,
	}, o.serve...)
	var target swarm.Target
	if o.secure {
		files, clients, err := b.certificate()
		if err != nil {
			return nil, err
		}
		args = append(args, "--mqtts", "127.0.0.1:0", "--tls-cert", files.Cert, "--tls-key", files.Key)
		target.TLS = clients
	}
	p, err := b.start("muster", environment, b.binary, args...)
	if err != nil {
		return nil, err
	}
	var at struct {
		MQTT  string `json:"mqtt"`
		MQTTS string `json:"mqtts"`
		HTTP  string `json:"http"`
	}
	err = process.Poll(ctx, startTimeout, "muster's ready file", func() (bool, error) {
		data, err := os.ReadFile(readyFile)
		if err != nil || json.Unmarshal(data, &at) != nil {
			return false, p.Alive()
		}
		return true, nil
	})
	if err != nil {
		return nil, err
	}
	target.Address = at.MQTT
	if o.secure {
		target.Address = at.MQTTS
	}
	m := &muster{Process: p, Client: rest.New(at.HTTP), mqtt: target}
	err = process.Poll(ctx, startTimeout, "muster's /readyz", func() (bool, error) { return m.Ready(ctx), p.Alive() })
	if err != nil {
		return nil, err
	}
	return m, m.SignIn(ctx, ownerEmail, password)
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
	if g.stack, err = metric(text, "go_memstats_stack_inuse_bytes"); err != nil {
		return g, err
	}
	g.heap, err = metric(text, "go_memstats_heap_inuse_bytes")
	return g, err
}

// metric finds a metric without labels in the Prometheus text format.
func metric(text []byte, name string) (float64, error) {
	for line := range bytes.Lines(text) {
		if words := bytes.Fields(line); len(words) >= 2 && string(words[0]) == name {
			return strconv.ParseFloat(string(words[1]), 64)
		}
	}
	return 0, fmt.Errorf("/metrics has no %s", name)
}
