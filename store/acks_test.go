package store

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/store/keys"
	"github.com/muster-iot/muster/store/redistest"
)

// replicaOf returns the replica of a master.
func replicaOf(t *testing.T, c *redistest.Cluster, master *redistest.Node) *redistest.Node {
	t.Helper()
	_, port, err := net.SplitHostPort(master.Addr)
	must(t, err)
	i := slices.IndexFunc(c.Nodes, func(n *redistest.Node) bool {
		return strings.Contains(got[string](t)(n.Client.Info(t.Context(), "replication").Result()), "master_port:"+port+"\r\n")
	})
	if i < 0 {
		t.Fatalf("%s has no replica", master.Addr)
	}
	return c.Nodes[i]
}

// TestWhatReplicasHaveOutlivesTheirMaster is invariant 8 of several servers: with ack_replicas, nothing that was
// acknowledged is lost with a master, not even while its replica lags behind.
func TestWhatReplicasHaveOutlivesTheirMaster(t *testing.T) {
	t.Parallel()
	c := ownCluster(t, true)
	log := &logged{}
	opened := opened(t, got[*Store](t)(Open(t.Context(), Options{URL: c.URL(), Folder: t.TempDir(), AckReplicas: 1, Log: slog.New(slog.NewTextHandler(log, nil))})), nil)
	master := c.Masters()[0]
	replica, id := replicaOf(t, c, master), onMaster(t, c, master).In(1)
	must(t, opened.Devices.Create(t.Context(), newDevice(id)))
	edit := func() error {
		ctx, cancel := context.WithTimeout(t.Context(), 2*redistest.NodeTimeout)
		defer cancel()
		_, err := opened.Devices.Edit(ctx, id, func(d *fleet.Device) error {
			d.Boot++
			return nil
		})
		return err
	}
	acknowledged := uint64(0)
	for range 20 {
		must(t, edit())
		acknowledged++
	}

	replica.Hang(redistest.NodeTimeout)
	must(t, master.Client.Do(t.Context(), "client", "kill", "type", "replica").Err()) // what comes now does not reach it
	for began := time.Now(); time.Since(began) < redistest.NodeTimeout/2; {
		if edit() == nil {
			acknowledged++
		}
	}
	master.Kill()
	until(t, "the replica is the master", func() bool { return c.Master(keys.Device(id)) == replica })
	must(t, master.Start()) // as its replica
	until(t, "the new master is written to", func() bool { return edit() == nil })
	acknowledged++
	if d := got[fleet.Device](t)(opened.Devices.Device(t.Context(), id)); d.Boot < acknowledged {
		t.Errorf("%d writes were acknowledged, %d are kept", acknowledged, d.Boot)
	}
}

func TestAWriteWithoutReplicasIsRefusedAndSaysWhy(t *testing.T) {
	t.Parallel()
	s := got[*redistest.Sentinel](t)(redistest.StartSentinel(t.TempDir()))
	t.Cleanup(s.Stop)
	log := &logged{}
	opened := opened(t, got[*Store](t)(Open(t.Context(), Options{URL: s.URL(), AckReplicas: 2, Log: slog.New(slog.NewTextHandler(log, nil))})), nil)
	const want = "too few replicas that have the last write (redis.ack_replicas)"
	err := opened.Devices.Create(t.Context(), newDevice("d"))
	if !errors.Is(err, fleet.Unavailable) || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want unavailable, and that there are too few replicas", err)
	}
	until(t, "the store is not ready", func() bool { return opened.Ready() != nil })
	if err := opened.Ready(); !strings.Contains(err.Error(), want) {
		t.Errorf("not ready: %v", err)
	}
	if log.count("redis has fewer replicas than redis.ack_replicas") != 1 {
		t.Errorf("the start logs %s", log)
	}
	if n := log.count("redis does not answer"); n > 1 {
		t.Errorf("%d lines about one outage: %s", n, log)
	}
}
