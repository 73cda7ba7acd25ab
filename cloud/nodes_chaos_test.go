package cloud_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/api/client"
	"github.com/muster-iot/muster/cloud"
	"github.com/muster-iot/muster/cloud/cloudtest"
	"github.com/muster-iot/muster/configs"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/simulator"
	"github.com/muster-iot/muster/simulator/mqttlite"
	"github.com/muster-iot/muster/store/keys"
	"github.com/muster-iot/muster/store/redistest"
	"github.com/muster-iot/muster/wire"
	"github.com/muster-iot/muster/wire/mqtt"
)

// installation is several servers that share a Redis: one in this process, with its images, and others in
// processes of their own.
type installation struct {
	*world
	others []*cloudtest.Process
}

func install(t *testing.T, url string, others int, rate string, edits ...func(*cloud.Config)) *installation {
	t.Helper()
	i := &installation{world: serve(t, func(c *cloud.Config) {
		for _, edit := range edits {
			edit(c)
		}
		c.Redis.URL, c.Node.Join = configs.Secret(url), true
	})}
	for range others {
		i.others = append(i.others, cloudtest.Spawn(t, func(p *cloudtest.Process) {
			p.Env = []string{"MUSTER_REDIS_URL=" + url, "MUSTER_NODE_JOIN=true", "MUSTER_OTA_RATE=" + cmp.Or(rate, "0"), fmt.Sprint("MUSTER_OTA_MAX_UPDATES=", i.Config.OTA.MaxUpdates)}
			data := filepath.Join(p.Folder, "data")
			if err := errors.Join(os.Mkdir(data, 0o700), os.Symlink(filepath.Join(i.Config.Data, "images"), filepath.Join(data, "images"))); err != nil {
				t.Fatal(err)
			}
		}))
	}
	cloudtest.Until(t, "the servers know each other", func() bool { return len(i.Cloud.Store().Nodes().Others()) == others })
	return i
}

// balanced connects to the servers in turn, past those that do not answer.
func (i *installation) balanced() mqttlite.Broker {
	brokers := []mqttlite.Broker{i.Broker()}
	for _, p := range i.others {
		brokers = append(brokers, p.Broker())
	}
	var mu sync.Mutex
	next := 0
	return mqttlite.Broker{Dialer: func(ctx context.Context) (conn net.Conn, err error) {
		for range brokers {
			mu.Lock()
			b := brokers[next%len(brokers)]
			next++
			mu.Unlock()
			if b.Dialer != nil {
				conn, err = b.Dialer(ctx)
			} else {
				conn, err = (&net.Dialer{}).DialContext(ctx, "tcp", b.Host)
			}
			if err == nil {
				return conn, nil
			}
		}
		return nil, err
	}}
}

// online returns the devices that a server lists as online.
func online(t *testing.T, c *client.Client) map[string]bool {
	t.Helper()
	yes := true
	list := cloudtest.Must[api.DeviceList](t)(c.Devices(t.Context(), cloudtest.Lamp, api.DeviceFilter{Online: &yes, PerPage: 100}))
	ids := map[string]bool{}
	for _, d := range list.Devices {
		ids[d.ID] = true
	}
	return ids
}

// TestNodesOnAClusterLoseNothing has three servers on a Cluster of three masters with replicas update a
// fleet. A server is killed during the downloads, then a master. Invariants 1, 2, 3, 5, 7
// and 8 of the design.
func TestNodesOnAClusterLoseNothing(t *testing.T) {
	t.Parallel()
	cluster, err := redistest.StartCluster(t.TempDir(), 3, true)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Stop)
	const size, devices = 100_000, 30
	w := install(t, cluster.URL(), 2, "500KB/s")
	b, c := w.others[0], w.others[1]
	w.UploadVersions(size, 1, 2)
	w.ReleaseVersion(1)

	t.Run("no stale decision", func(t *testing.T) {
		cred := w.Enroll("stale")[0]
		for round := range uint32(6) {
			v := round%2 + 1
			w.ReleaseVersion(v)
			d := cloudtest.Dial(t, w.others[round%2].Broker(), cred)
			if welcome := d.Hello(1); !welcome.Target.Equal(fleet.WholeVersion(v)) {
				t.Errorf("round %d: it should run %s, want %d: that was answered before its Hello", round, welcome.Target, v)
			}
			_ = d.Close()
		}
		if err := w.DeleteDevice(t.Context(), "stale"); err != nil {
			t.Fatal(err)
		}
		w.ReleaseVersion(1)
	})

	var ids []fleet.DeviceID
	for n := range devices {
		ids = append(ids, fleet.DeviceID(fmt.Sprintf("lamp-%02d", n)))
	}
	f := w.Simulate(simulator.Config{Devices: w.Enroll(ids...), Broker: w.balanced()})
	cloudtest.WaitOnline(t, f)
	sessions := map[fleet.DeviceID]uint64{}
	grow := func(when string) {
		t.Helper()
		for _, id := range ids {
			d := w.Record(id)
			if d.Session < sessions[id] {
				t.Errorf("%s: the session of %s went from %d to %d", when, id, sessions[id], d.Session)
			}
			sessions[id] = d.Session
		}
	}
	grow("at first")

	commands := sendCommands([]*client.Client{w.Client, c.Owner()}, ids)

	w.ReleaseVersion(2, cloudtest.Intelligent)
	cloudtest.Until(t, "some are downloading", func() bool { return f.Snapshot().Bytes > 10*size })
	b.Kill()
	cloudtest.WaitForVersion(t, f, 2)
	cloudtest.VerifyImages(t, f, 2, size)
	const window = 16 // chunks: none comes twice, unless a device asks again after a silence
	if s := f.Snapshot().Totals; s.Duplicates > window*s.Repeats || s.Malformed != 0 {
		t.Errorf("%d chunks came twice, %d Wants and Hellos were repeated, %d messages could not be read", s.Duplicates, s.Repeats, s.Malformed)
	}
	for _, id := range ids {
		if d := w.Record(id); d.Attempts.Spent != 0 {
			t.Errorf("%s: %d attempts were spent", id, d.Attempts.Spent)
		}
	}
	grow("after a server was killed")

	dead := cluster.Master(keys.Device(ids[0].In(1)))
	commands.sending.Lock() // a command that was accepted may be lost with a master whose replica does not have it
	err = cluster.AwaitReplicated(dead)
	dead.Kill()
	commands.sending.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		cloudtest.Until(t, "commands can be sent to "+id.String(), func() bool { return commands.send(w.Client, id) })
	}
	least, most := commands.end()
	cloudtest.Until(t, "every command that was accepted is done", func() bool { return f.Snapshot().Totals.Commands >= least })
	if done := f.Snapshot().Totals.Commands; done > most {
		t.Errorf("%d commands were done, of at most %d that may have been accepted", done, most)
	}
	grow("after a master was killed")

	cloudtest.Until(t, "both servers list all devices as online", func() bool {
		return len(online(t, w.Client)) == devices && len(online(t, c.Owner())) == devices
	})
	for _, list := range []*client.Client{w.Client, c.Owner()} {
		page := cloudtest.Must[api.DeviceList](t)(list.Devices(t.Context(), cloudtest.Lamp, api.DeviceFilter{PerPage: 100}))
		for _, d := range page.Devices {
			if record := w.Record(fleet.DeviceID(d.ID)); !w.Cloud.Store().Nodes().Alive(record.Node) || d.Running.String() != record.Running.String() {
				t.Errorf("%s: listed with %s; its record has %s and %s", d.ID, d.Running, record.Running, record.Node)
			}
		}
		if len(page.Devices) != devices {
			t.Errorf("a server lists %d devices", len(page.Devices))
		}
	}
}

// commands are sent at different servers until end is called.
type commands struct {
	stop, stopped chan struct{}

	sending  sync.RWMutex // is held by each that is sent
	mu       sync.Mutex
	accepted int // guarded by mu
	unknown  int // those that may have been accepted; guarded by mu
}

func sendCommands(at []*client.Client, ids []fleet.DeviceID) *commands {
	c := &commands{stop: make(chan struct{}), stopped: make(chan struct{})}
	go func() {
		defer close(c.stopped)
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for n := 0; ; n++ {
			select {
			case <-c.stop:
				return
			case <-tick.C:
				c.send(at[n%len(at)], ids[n%len(ids)])
			}
		}
	}()
	return c
}

func (c *commands) send(at *client.Client, id fleet.DeviceID) (accepted bool) {
	c.sending.RLock()
	defer c.sending.RUnlock()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_, err := at.SendCommand(ctx, id.String(), api.NewCommand{Name: "blink"})
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil {
		c.accepted++
	} else {
		c.unknown++
	}
	return err == nil
}

// end returns how many commands were accepted, at least and at most.
func (c *commands) end() (least, most int) {
	close(c.stop)
	<-c.stopped
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.accepted, c.accepted + c.unknown
}

// TestASuspendedServerDoesNotActOnWhatItNoLongerHolds suspends a server until others take it for dead, and lets
// it continue: its devices have moved, one was disabled, and both have sent it something meanwhile.
func TestASuspendedServerDoesNotActOnWhatItNoLongerHolds(t *testing.T) {
	t.Parallel()
	w := install(t, "unix://"+startRedis(t).socket, 1, "1MB/s")
	c := w.others[0]
	creds := w.Enroll("moves", "disabled")
	moves, disabled := cloudtest.Dial(t, c.Broker(), creds[0]), cloudtest.Dial(t, c.Broker(), creds[1])
	moves.Hello(1)
	disabled.Hello(1)
	cloudtest.Until(t, "both are listed as online", func() bool { return len(online(t, w.Client)) == 2 })

	if err := c.Cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	cloudtest.Until(t, "the other server takes it for dead", func() bool { return len(w.Cloud.Store().Nodes().Others()) == 0 })
	cloudtest.Until(t, "its devices are listed as offline", func() bool { return len(online(t, w.Client)) == 0 })
	cloudtest.Until(t, "the other server leads", func() bool { return w.Cloud.Store().Nodes().Holds("jobs") })
	fresh := w.Dial(creds[0])
	fresh.Hello(1)
	w.EditDevice("disabled", api.DeviceUpdate{Disabled: new(true)})
	before := w.Record("moves")
	for _, d := range []*cloudtest.Device{moves, disabled} {
		cloudtest.Must[uint16](t)(d.Publish(wire.Topic{Speaker: d.ID, Kind: wire.TopicMessage, Name: "late"}.String(), 1, []byte("x")))
	}
	if err := c.Cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	for _, d := range []*cloudtest.Device{moves, disabled} {
		for p, _ := d.Next(); p.Kind != 0; p, _ = d.Next() {
			if p.Kind == mqtt.PubAck {
				t.Errorf("%s: what it sent to a server that does not hold it any more is acknowledged", d.ID)
			}
		}
	}
	cloudtest.Until(t, "it is back", func() bool { return len(w.Cloud.Store().Nodes().Others()) == 1 })
	fresh.VerifyAlive()
	if after := w.Record("moves"); after.Session != before.Session || after.Node != w.Cloud.Store().Nodes().ID() {
		t.Errorf("it took the device back: session %d at %s, then %d at %s", before.Session, before.Node, after.Session, after.Node)
	}
	if !w.Cloud.Store().Nodes().Holds("jobs") {
		t.Error("it took the lease back")
	}
}
