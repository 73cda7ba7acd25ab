package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/store/keys"
	"github.com/muster-iot/muster/store/redistest"
)

// ownCluster starts a Cluster for one test.
func ownCluster(t testing.TB, replicated bool) *redistest.Cluster {
	t.Helper()
	c := got[*redistest.Cluster](t)(redistest.StartCluster(t.TempDir(), 3, replicated))
	t.Cleanup(c.Stop)
	return c
}

// onMaster returns the id of a device whose record that master holds.
func onMaster(t testing.TB, c *redistest.Cluster, n *redistest.Node) fleet.DeviceID {
	t.Helper()
	for i := range 10_000 {
		if id := fleet.DeviceID(fmt.Sprint("d", i)); c.Master(keys.Device(id.In(1))) == n {
			return id
		}
	}
	t.Fatalf("no id belongs to %s", n.Addr)
	return ""
}

// writer saves one device two hundred times a second, until stop is closed.
type writer struct {
	id     fleet.DeviceID
	saved  atomic.Int64
	failed atomic.Pointer[error] // the last error
}

func (w *writer) run(s *Store, stop <-chan struct{}) {
	pace := time.NewTicker(5 * time.Millisecond)
	defer pace.Stop()
	for {
		select {
		case <-stop:
			return
		case <-pace.C:
		}
		_, err := s.Devices.Edit(context.Background(), w.id.In(1), func(d *fleet.Device) error {
			d.Boot++
			return nil
		})
		if err != nil {
			w.failed.Store(&err)
			continue
		}
		w.saved.Add(1)
	}
}

// writeEverywhere starts a writer for a device of each master, by the master's address, and
// waits until each has written. They end with the test.
func writeEverywhere(t *testing.T, s *Store, c *redistest.Cluster) (writers map[string]*writer, end func()) {
	t.Helper()
	_, _, product := newTeam(t, s)
	writers = map[string]*writer{}
	stop := make(chan struct{})
	var all sync.WaitGroup
	end = sync.OnceFunc(func() {
		close(stop)
		all.Wait()
	})
	t.Cleanup(end)
	for _, n := range c.Masters() {
		w := &writer{id: onMaster(t, c, n)}
		d := newDevice(w.id)
		d.Product = product.ID
		must(t, s.Devices.Create(t.Context(), d))
		writers[n.Addr] = w
		all.Go(func() { w.run(s, stop) })
	}
	for _, w := range writers {
		until(t, "each master is written to", func() bool { return w.saved.Load() > 20 })
	}
	return writers, end
}

// seen is what writers, the store's log and each node say, for a test that failed.
func seen(c *redistest.Cluster, writers map[string]*writer, log *logged) string {
	var b strings.Builder
	for addr, w := range writers {
		fmt.Fprintf(&b, "%s of %s: %d saved", w.id, addr, w.saved.Load())
		if err := w.failed.Load(); err != nil {
			fmt.Fprintf(&b, ", last error: %v", *err)
		}
		b.WriteByte('\n')
	}
	for _, n := range c.Nodes {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		nodes, err := n.Client.ClusterNodes(ctx).Result()
		cancel()
		fmt.Fprintf(&b, "%s (%v):\n%s", n.Addr, err, nodes)
	}
	return b.String() + log.String()
}

func TestOneDeadMasterCostsTheOthersNothing(t *testing.T) {
	for name, row := range map[string]struct {
		key string // whose master fails
		die func(*redistest.Node)
	}{
		"the one with the lease is killed": {keys.Store, (*redistest.Node).Kill},
		"another one is killed":            {keys.Marks[0], (*redistest.Node).Kill},
		"the one with the lease hangs":     {keys.Store, func(n *redistest.Node) { n.Hang(3 * redistest.NodeTimeout) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := ownCluster(t, true)
			s, log := openAt(t, c.URL(), t.TempDir())
			writers, end := writeEverywhere(t, s, c)
			dead := c.Master(row.key)
			t.Cleanup(func() {
				if t.Failed() {
					t.Log(seen(c, writers, log))
				}
			})
			must(t, c.AwaitReplicated(dead)) // one that has no copy of what the store is known by is refused, rightly
			row.die(dead)
			before := map[string]int64{}
			for addr, w := range writers {
				before[addr] = w.saved.Load()
			}
			for addr, w := range writers {
				if addr != dead.Addr {
					until(t, "the others are written to", func() bool { return w.saved.Load() > before[addr]+200 })
				}
			}
			if err := s.Ready(); err != nil {
				t.Errorf("not ready: %v", err)
			}
			until(t, "a replica is written to", func() bool { return writers[dead.Addr].saved.Load() > before[dead.Addr]+20 })
			end()
			for addr, w := range writers {
				if addr == dead.Addr {
					continue
				}
				if err := w.failed.Load(); err != nil {
					t.Errorf("a write to another master failed: %v", *err)
				}
				if d := got[fleet.Device](t)(s.Devices.Device(t.Context(), w.id.In(1))); int64(d.Boot) != w.saved.Load() {
					t.Errorf("%d writes were acknowledged, the record counts %d", w.saved.Load(), d.Boot)
				}
			}
			if n := log.count("redis does not answer"); n > 1 {
				t.Errorf("%d lines about one outage: %s", n, log)
			}
			until(t, "the lists are right", func() bool { return s.Ready() == nil && len(entries(s.Index)[1]) == len(writers) })
		})
	}
}

func TestASlotMayMoveWhileItIsWritten(t *testing.T) {
	t.Parallel()
	c := ownCluster(t, false)
	s, log := openAt(t, c.URL(), t.TempDir())
	writers, end := writeEverywhere(t, s, c)
	from := c.Masters()[0]
	to := c.Masters()[1]
	moving := writers[from.Addr]
	neighbor := &writer{id: ""}
	for i := range 100_000 {
		id := fleet.DeviceID(fmt.Sprint("n", i))
		if c.Master(keys.Device(id.In(1))) == from {
			neighbor.id = id
			break
		}
	}
	must(t, s.Devices.Create(t.Context(), newDevice(neighbor.id)))
	move := got[*redistest.Move](t)(c.BeginMove(keys.Device(moving.id.In(1)), to))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for range 50 { // on the same master, meanwhile: each would wait for seconds behind the one that has to
		got[fleet.Device](t)(s.Devices.Edit(ctx, neighbor.id.In(1), func(*fleet.Device) error { return nil }))
	}
	must(t, move.End())
	before := moving.saved.Load()
	until(t, "the device is written where it is now", func() bool { return moving.saved.Load() > before+20 })
	end()
	for _, w := range writers {
		if err := w.failed.Load(); err != nil {
			t.Errorf("a write failed: %v", *err)
		}
		if d := got[fleet.Device](t)(s.Devices.Device(t.Context(), w.id.In(1))); int64(d.Boot) != w.saved.Load() {
			t.Errorf("%d writes were acknowledged, the record counts %d", w.saved.Load(), d.Boot)
		}
	}
	if n := log.count("redis does not answer"); n > 0 {
		t.Errorf("a move is logged as an outage: %s", log)
	}
}

func TestAnEmptiedMasterIsNotUsed(t *testing.T) {
	t.Parallel()
	c := ownCluster(t, false)
	folder := t.TempDir()
	s, log := openAt(t, c.URL(), folder)
	emptied := c.Masters()[slices.IndexFunc(c.Masters(), func(n *redistest.Node) bool { return n != c.Master(keys.Store) })]
	id := onMaster(t, c, emptied)
	must(t, s.Devices.Create(t.Context(), newDevice(id)))
	must(t, emptied.Client.FlushAll(t.Context()).Err())
	until(t, "the store is not ready", func() bool { return s.Ready() != nil })
	if err := s.Ready(); !strings.Contains(err.Error(), "does not hold the store") {
		t.Errorf("got %v", err)
	}
	if _, err := s.Devices.Device(t.Context(), id.In(1)); !errors.Is(err, fleet.Unavailable) {
		t.Errorf("a read: got %v, want unavailable, not that the device does not exist", err)
	}
	if n := got[int64](t)(emptied.Client.DBSize(t.Context()).Result()); n != 0 {
		t.Errorf("%d keys were written to it", n)
	}
	if log.count("does not hold the store") != 1 {
		t.Errorf("got the log %s, want one line that says so", log)
	}
	s.Close()
	_, err := Open(t.Context(), Options{URL: c.URL(), Folder: folder, Log: quiet()})
	if err == nil || !strings.Contains(err.Error(), "a part of the Redis Cluster does not hold the store") {
		t.Errorf("a start: got %v", err)
	}
}

func TestTwoProcessesNeverShareACluster(t *testing.T) {
	t.Parallel()
	c := ownCluster(t, false)
	first, _ := openAt(t, c.URL(), t.TempDir())
	_, err := Open(t.Context(), Options{URL: c.URL(), Folder: t.TempDir(), Log: quiet()})
	if err == nil || !strings.Contains(err.Error(), "another Muster uses this Redis") {
		t.Fatalf("got %v", err)
	}
	must(t, first.Ready())
	must(t, c.Client.Set(t.Context(), keys.Lease, "another", time.Minute).Err()) // as after a pause
	if err := <-first.Lost(); err == nil {
		t.Fatal("nothing was lost")
	}
	for _, n := range c.Masters() {
		if err := first.Devices.Create(t.Context(), newDevice(onMaster(t, c, n))); !errors.Is(err, fleet.Unavailable) {
			t.Errorf("the loser writes to a master: got %v, want unavailable", err)
		}
	}
}

func TestTheReplicaThatSentinelsElectIsUsed(t *testing.T) {
	t.Parallel()
	r := got[*redistest.Sentinel](t)(redistest.StartSentinel(t.TempDir()))
	t.Cleanup(r.Stop)
	s, log := openAt(t, r.URL(), t.TempDir())
	_, _, product := newTeam(t, s)
	d := newDevice("a")
	d.Product = product.ID
	must(t, s.Devices.Create(t.Context(), d))
	r.Master().Kill()
	until(t, "the replica is written to", func() bool {
		_, err := s.Devices.Edit(t.Context(), "1/a", func(d *fleet.Device) error {
			d.Name = "changed"
			return nil
		})
		return err == nil
	})
	until(t, "the store is ready", func() bool { return s.Ready() == nil })
	if n := log.count("redis does not answer") + log.count("redis answers but"); n > 1 {
		t.Errorf("%d lines about one outage: %s", n, log)
	}
	until(t, "the lists are right", func() bool { return entries(s.Index)[1]["1/a"].Name == "changed" })
}

func TestAFormOfURLThatDoesNotFitTheRedisIsRefused(t *testing.T) {
	t.Parallel()
	c := ownCluster(t, false)
	r := got[*redistest.Sentinel](t)(redistest.StartSentinel(t.TempDir()))
	t.Cleanup(r.Stop)
	node, server, sentinel := c.Nodes[0].Addr, r.Servers[0].Addr, r.Sentinels[0].Addr
	for name, row := range map[string]struct{ url, want string }{
		"a node of a Cluster as a server":    {"redis://" + node, "redis runs in cluster mode: name at least two of its nodes"},
		"a server as a Cluster":              {"redis://" + server + "?addr=" + server, "not in cluster mode"},
		"a Sentinel as a server":             {"redis://" + sentinel, "a Redis Sentinel answers: let redis.url name the master"},
		"a Sentinel as a Cluster":            {"redis://" + sentinel + "?addr=" + sentinel, "names nodes of a Cluster (addr=): add master_name"},
		"a server as a Sentinel":             {"redis://" + server + "?master_name=muster", "Sentinel"},
		"a master that no Sentinel knows":    {"redis://" + sentinel + "?master_name=other", "no Sentinel of redis.url knows a master of this name"},
		"another database of a Cluster":      {"redis://" + node + "/3?addr=" + node, "no other database than 0"},
		"several hosts in one":               {"redis://a:1,b:2", "it has several hosts"},
		"an option that there is not":        {"redis://" + server + "?tires=4", "tires"},
		"a password that can't be in a URL":  {"redis://u:se%zzcret@h", "redis url"},
		"a replica of the Sentinels' master": {"redis://" + r.Servers[1].Addr, "is a replica"},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		s, err := Open(ctx, Options{URL: row.url, Folder: t.TempDir(), Log: quiet()})
		cancel()
		if err == nil {
			s.Close()
		}
		if err == nil || !strings.Contains(err.Error(), row.want) || strings.Contains(err.Error(), "zzcret") {
			t.Errorf("%s: got %v, want %q", name, err, row.want)
		}
	}
}

// BenchmarkOneDeadMaster measures what the others lose while one master is dead, and how long it
// is (-benchtime 1x). Each device shakes hands ten times a second, so that others' load on the machine
// shows less than a stall would.
func BenchmarkOneDeadMaster(b *testing.B) {
	for b.Loop() {
		c := ownCluster(b, true)
		s, err := Open(b.Context(), Options{URL: c.URL(), Folder: b.TempDir(), Log: quiet()})
		s = opened(b, s, err)
		_, _, product := newTeam(b, s)
		masters := c.Masters()
		done := make([]atomic.Int64, len(masters)) // handshakes
		stop := make(chan struct{})
		var all sync.WaitGroup
		for n := range 180 * len(masters) {
			d := newDevice(fleet.DeviceID(fmt.Sprint("d", n)))
			d.Product = product.ID
			must(b, s.Devices.Create(b.Context(), d))
			at := slices.Index(masters, c.Master(keys.Device(d.ID)))
			all.Go(func() {
				pace := time.NewTicker(100 * time.Millisecond)
				defer pace.Stop()
				for {
					select {
					case <-stop:
						return
					case <-pace.C:
					}
					read, err := s.Devices.Device(context.Background(), d.ID)
					if err == nil {
						_, err = s.Devices.Save(context.Background(), &read)
					}
					if err == nil {
						done[at].Add(1)
					}
				}
			})
		}
		dead := slices.Index(masters, c.Master(keys.Store))
		healthy := func() (n int64) {
			for i := range done {
				if i != dead {
					n += done[i].Load()
				}
			}
			return n
		}
		second := func() float64 {
			began, before := time.Now(), healthy()
			time.Sleep(time.Second) //nolint:forbidigo // a rate
			return float64(healthy()-before) / time.Since(began).Seconds()
		}
		second()
		rate := (second() + second() + second()) / 3
		masters[dead].Kill()
		killed, at := time.Now(), done[dead].Load()
		lowest, back := rate, time.Duration(0)
		for back == 0 && time.Since(killed) < time.Minute {
			now := second()
			b.Logf("%.0f of %.0f handshakes/s", now, rate)
			lowest = min(lowest, now)
			if done[dead].Load() > at+500 {
				back = time.Since(killed)
			}
		}
		close(stop)
		all.Wait()
		b.ReportMetric(rate, "healthy/s")
		b.ReportMetric(100*lowest/rate, "%lowest-second")
		b.ReportMetric((back - redistest.NodeTimeout).Seconds(), "s-after-node-timeout")
	}
}
