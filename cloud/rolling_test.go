package cloud_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/muster-iot/muster/api/client"
	"github.com/muster-iot/muster/cloud"
	"github.com/muster-iot/muster/cloud/cloudtest"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/simulator"
	"github.com/muster-iot/muster/simulator/mqttlite"
)

// rolling is several servers behind a balancer, in processes of their own, that are restarted one after the
// other.
type rolling struct {
	testing.TB
	url     string
	images  string
	servers []*cloudtest.Process

	mu    sync.Mutex
	ready []bool // guarded by mu
	open  []int  // connections of each server, which get the next one by that; guarded by mu

	refused, unanswered atomic.Int64 // connections: by CONNACK, and those that ended before it
}

// TestServersAreRestartedOneAfterTheOther updates a fleet meanwhile. MUSTER_ROLLING_DEVICES is how many devices,
// MUSTER_ROLLING_DRAIN how long each server drains, and MUSTER_OLD_BINARY the release that the servers run before
// their restart: `make upgrade` sets it.
func TestServersAreRestartedOneAfterTheOther(t *testing.T) {
	t.Parallel()
	devices, drain, old := 150, "4s", os.Getenv("MUSTER_OLD_BINARY")
	haste := 0.0
	if text := os.Getenv("MUSTER_ROLLING_DEVICES"); text != "" {
		devices, haste = cloudtest.Must[int](t)(strconv.Atoi(text)), 1
	}
	if text := os.Getenv("MUSTER_ROLLING_DRAIN"); text != "" {
		drain = text
	}
	const size = 20_000
	r := roll(t, 3, old, drain, devices)
	owner := r.servers[0].Owner()
	if _, err := owner.CreateProduct(t.Context(), "Lamp", cloudtest.Lamp); err != nil {
		t.Fatal(err)
	}
	cloudtest.UploadVersions(t, owner, size, 1, 2)
	cloudtest.ReleaseVersion(t, owner, 1)
	f := cloudtest.Simulate(t, simulator.Config{Devices: enrollMany(t, owner, devices), Broker: r.broker(), Haste: haste})
	began := time.Now()
	cloudtest.WaitOnline(t, f)
	t.Logf("%d devices are online after %v", devices, time.Since(began).Round(time.Millisecond))
	r.unanswered.Store(0) // those of so many devices that came at once, from one address

	if old == "" { // which knows no drain
		cloudtest.Until(t, "the server knows the others", func() bool {
			_, metrics := get(t, r.servers[0].URL+"/metrics")
			return strings.Contains(metrics, "\nmuster_servers 3\n")
		})
	}
	least := r.leastOnline(f)
	r.restart(0, f)
	online, connects := least(), f.Snapshot().Totals.Connects
	if share := devices / len(r.servers); old == "" && online < devices-3*share/4 {
		t.Errorf("only %d devices were online at a moment: those of the server were ended together", online)
	}
	if most := devices + devices*2/3; connects > most {
		t.Errorf("%d connects after the restart of one server, want at most %d", connects, most)
	}

	cloudtest.ReleaseVersion(t, r.servers[0].Owner(), 2, cloudtest.Intelligent)
	cloudtest.Until(t, "some are downloading", func() bool { return f.Snapshot().Bytes > 10*size })
	r.restart(1, f)
	r.restart(2, f)
	cloudtest.Until(t, "all updates have ended", func() bool { return f.Snapshot().Totals.Confirmed == devices })
	cloudtest.WaitForVersion(t, f, 2)
	total := f.Snapshot().Totals
	if old == "" {
		cloudtest.VerifyExact(t, f, 2, size)
	} else {
		cloudtest.VerifyImages(t, f, 2, size)
		t.Logf("%d of %d chunks came twice", total.Duplicates, total.Chunks+total.Duplicates)
	}
	t.Logf("%d connects in all, %d at the start, %d after updates; %d refused, %d unanswered", total.Connects, devices, total.Confirmed, r.refused.Load(), r.unanswered.Load())
	if n := r.refused.Load(); n != 0 {
		t.Errorf("%d connections were refused", n)
	}
	if most := devices * (2 + len(r.servers)); total.Connects > most {
		t.Errorf("%d connects, want at most one at the start, one after the update, and one for each restart: %d", total.Connects, most)
	}
	if total.Failed != 0 || total.RolledBack != 0 {
		t.Errorf("%d updates failed, %d were rolled back", total.Failed, total.RolledBack)
	}
	r.verifyAttempts(devices)
}

// roll starts servers of a release, "" for this one.
func roll(t *testing.T, count int, old, drain string, devices int) *rolling {
	t.Helper()
	r := &rolling{
		TB: t, url: "unix://" + startRedis(t).socket, images: filepath.Join(t.TempDir(), "images"),
		ready: make([]bool, count), open: make([]int, count),
	}
	if err := os.Mkdir(r.images, 0o700); err != nil {
		t.Fatal(err)
	}
	for range count {
		r.servers = append(r.servers, cloudtest.Spawn(t, func(p *cloudtest.Process) {
			p.Binary = old
			// Downloads are under way when a server is restarted, but none waits for 10 s, after which devices ask again.
			rate := strconv.Itoa(4*devices) + "KB/s"
			p.Env = []string{"MUSTER_REDIS_URL=" + r.url, "MUSTER_NODE_JOIN=true", "MUSTER_NODE_DRAIN=" + drain, "MUSTER_OTA_RATE=" + rate, "MUSTER_LOG_LEVEL=info",
				"MUSTER_MQTT_MAX_PENDING_PER_ADDRESS=1024"} // all devices have one
			data := filepath.Join(p.Folder, "data")
			if err := errors.Join(os.Mkdir(data, 0o700), os.Symlink(r.images, filepath.Join(data, "images"))); err != nil {
				t.Fatal(err)
			}
		}))
	}
	ctx, cancel := context.WithCancel(context.Background())
	var checks sync.WaitGroup
	for i := range r.servers {
		checks.Go(func() { r.check(ctx, i) })
	}
	t.Cleanup(func() {
		cancel()
		checks.Wait()
		if t.Failed() {
			for i, p := range r.servers {
				p.Kill()
				t.Logf("server %d:\n%s", i, p.Output)
			}
		}
	})
	return r
}

// check asks a server again and again whether it is ready, as a balancer does.
func (r *rolling) check(ctx context.Context, server int) {
	browser := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 2 * time.Second}
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+r.servers[server].Addresses().HTTP+"/readyz", http.NoBody)
		if err != nil {
			r.Error(err)
			return
		}
		answer, err := browser.Do(request)
		if err == nil {
			_ = answer.Body.Close()
		}
		r.mu.Lock()
		r.ready[server] = err == nil && answer.StatusCode == http.StatusOK
		r.mu.Unlock()
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// broker connects to the ready server with the fewest connections, or to the next one if that does not answer.
func (r *rolling) broker() mqttlite.Broker {
	return mqttlite.Broker{Dialer: func(ctx context.Context) (net.Conn, error) {
		tried := map[int]bool{}
		for {
			server := r.next(tried)
			if server < 0 {
				return nil, errors.New("no server is ready")
			}
			tried[server] = true
			conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", r.servers[server].Addresses().MQTT)
			if err == nil {
				return &watched{Conn: conn, rolling: r, server: server}, nil
			}
			r.left(server)
		}
	}}
}

func (r *rolling) next(tried map[int]bool) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	best := -1
	for i, ready := range r.ready {
		if ready && !tried[i] && (best < 0 || r.open[i] < r.open[best]) {
			best = i
		}
	}
	if best >= 0 {
		r.open[best]++
	}
	return best
}

func (r *rolling) left(server int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open[server]--
}

// watched is a connection through the balancer, whose CONNACK is looked at.
type watched struct {
	net.Conn
	rolling  *rolling
	server   int
	answered bool // owned by the reader
	closing  sync.Once
}

// Read implements net.Conn.
func (c *watched) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if c.answered {
		return n, err
	}
	switch {
	case n >= 4:
		if p[0]>>4 == 2 && p[3] != 0 {
			c.rolling.refused.Add(1)
		}
		c.answered = true
	case err != nil && !errors.Is(err, os.ErrDeadlineExceeded):
		c.rolling.unanswered.Add(1)
		c.answered = true
	}
	return n, err
}

// Close implements net.Conn.
func (c *watched) Close() error {
	c.closing.Do(func() { c.rolling.left(c.server) })
	return c.Conn.Close()
}

// leastOnline looks how many devices are online until the function it returns is called, which returns the
// fewest at a moment.
func (r *rolling) leastOnline(f *simulator.Fleet) (stop func() int) {
	ended, least := make(chan struct{}), make(chan int)
	go func() {
		fewest := f.Snapshot().Online
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-ended:
				least <- fewest
				return
			case <-tick.C:
				fewest = min(fewest, f.Snapshot().Online)
			}
		}
	}()
	return func() int {
		close(ended)
		return <-least
	}
}

// restart ends a server with SIGTERM, and starts this release in its place.
func (r *rolling) restart(server int, f *simulator.Fleet) {
	r.Helper()
	p, began := r.servers[server], time.Now()
	if err := p.Cmd.Process.Signal(syscall.SIGTERM); err != nil {
		r.Fatal(err)
	}
	p.WaitEnded()
	ended := time.Now()
	p.Binary = ""
	p.Start()
	cloudtest.Until(r, "it is ready", func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.ready[server]
	})
	s := f.Snapshot()
	r.Logf("server %d ended after %v and was ready %v later; %d of %d devices online, %d connects, %d unanswered", server,
		ended.Sub(began).Round(time.Millisecond), time.Since(ended).Round(time.Millisecond), s.Online, s.Devices, s.Totals.Connects, r.unanswered.Load())
}

// verifyAttempts verifies, by the records, that no device has spent an attempt.
func (r *rolling) verifyAttempts(devices int) {
	r.Helper()
	config := cloudtest.Config(r)
	joined(r.url)(&config)
	c := cloudtest.Must[*cloud.Cloud](r)(cloud.New(r.Context(), config))
	defer cloudtest.Run(r, c)()
	for n := range devices {
		d := cloudtest.Must[fleet.Device](r)(c.Store().Devices.Device(r.Context(), lampID(n).In(1)))
		if d.Attempts.Spent != 0 || !d.Running.Equal(fleet.WholeVersion(2)) {
			r.Errorf("%s: it runs %s and has spent %d attempts", d.ID, d.Running, d.Attempts.Spent)
		}
	}
}

func lampID(n int) fleet.DeviceID { return fleet.DeviceID(fmt.Sprintf("lamp-%05d", n)) }

func enrollMany(t *testing.T, owner *client.Client, count int) (all []simulator.Credential) {
	t.Helper()
	const most = 1000
	for first := 0; first < count; first += most {
		var ids []fleet.DeviceID
		for n := first; n < min(first+most, count); n++ {
			ids = append(ids, lampID(n))
		}
		all = append(all, cloudtest.Enroll(t, owner, ids...)...)
	}
	return all
}
