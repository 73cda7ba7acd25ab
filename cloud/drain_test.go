package cloud_test

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/cloud"
	"github.com/muster-iot/muster/cloud/cloudtest"
	"github.com/muster-iot/muster/configs"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/simulator/mqttlite"
	"github.com/muster-iot/muster/wire"
)

// spawn starts a server in a process of its own that shares the store and the images of w.
func (w *world) spawn(t *testing.T, env ...string) *cloudtest.Process {
	t.Helper()
	return cloudtest.Spawn(t, func(p *cloudtest.Process) {
		p.Env = append([]string{"MUSTER_REDIS_URL=" + w.Config.Redis.URL.Reveal(), "MUSTER_NODE_JOIN=true"}, env...)
		data := filepath.Join(p.Folder, "data")
		if err := os.Mkdir(data, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(filepath.Join(w.Config.Data, "images"), filepath.Join(data, "images")); err != nil {
			t.Fatal(err)
		}
	})
}

// get returns the status and body of a path of a server.
func get(t *testing.T, url string) (status int, body string) {
	t.Helper()
	request := cloudtest.Must[*http.Request](t)(http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody))
	request.Close = true
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err.Error()
	}
	defer answer.Body.Close()
	text, _ := io.ReadAll(answer.Body) // a part will do
	return answer.StatusCode, string(text)
}

func joined(url string, edits ...func(*cloud.Config)) func(*cloud.Config) {
	return func(c *cloud.Config) {
		c.Redis.URL, c.Node.Join = configs.Secret(url), true
		for _, edit := range edits {
			edit(c)
		}
	}
}

// TestAServerMovesItsDevicesBeforeItEnds has a server of two end in each way.
func TestAServerMovesItsDevicesBeforeItEnds(t *testing.T) {
	t.Parallel()
	begin := func(t *testing.T, drain string) (*world, *cloudtest.Process, *cloudtest.Device) {
		t.Parallel()
		w := serve(t, joined("unix://"+startRedis(t).socket))
		p := w.spawn(t, "MUSTER_NODE_DRAIN="+drain, "MUSTER_LOG_LEVEL=info")
		cloudtest.Until(t, "the servers know each other", func() bool { return len(w.Cloud.Store().Nodes().Others()) == 1 })
		d := cloudtest.Dial(t, p.Broker(), w.Enroll("a")[0])
		d.Hello(1)
		return w, p, d
	}
	signal := func(t *testing.T, p *cloudtest.Process, s os.Signal) {
		t.Helper()
		if err := p.Cmd.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
	}
	stopping := func(t *testing.T, p *cloudtest.Process) {
		t.Helper()
		signal(t, p, syscall.SIGTERM)
		cloudtest.Until(t, "it is not ready", func() bool {
			status, body := get(t, p.URL+"/readyz")
			return status == http.StatusServiceUnavailable && strings.Contains(body, "is being stopped")
		})
	}
	ended := func(t *testing.T, p *cloudtest.Process, lines ...string) {
		t.Helper()
		p.WaitEnded()
		for _, line := range lines {
			if !strings.Contains(p.Output.String(), line) {
				t.Errorf("the log has no %s:\n%s", line, p.Output)
			}
		}
	}
	t.Run("it drains", func(t *testing.T) {
		_, p, d := begin(t, "3s")
		signal(t, p, syscall.SIGTERM)
		d.WaitClosed()
		ended(t, p, "msg=draining", `msg=drained left=0`)
	})
	t.Run("it is hurried", func(t *testing.T) {
		w, p, d := begin(t, "1h")
		stopping(t, p)
		cloudtest.Until(t, "the other server sees that", func() bool {
			peers := w.Cloud.Store().Nodes().Peers()
			return len(peers) == 1 && !peers[0].TakesDevices()
		})
		if status, _ := get(t, p.URL+"/healthz"); status != http.StatusOK {
			t.Errorf("/healthz: got %d: it would be killed", status)
		}
		d.VerifyAlive()
		late := cloudtest.Dial(t, p.Broker(), w.Enroll("late")[0]) // by a balancer that has not noticed
		late.Hello(1)
		signal(t, p, syscall.SIGINT)
		d.WaitClosed()
		late.WaitClosed()
		ended(t, p, "stopping at once")
	})
	t.Run("the other one ends meanwhile", func(t *testing.T) {
		w, p, d := begin(t, "1h")
		stopping(t, p)
		w.Stop()
		d.WaitClosed()
		ended(t, p)
	})
}

// TestEachRoleServesItsOwn has a server for devices and one for operators.
func TestEachRoleServesItsOwn(t *testing.T) {
	t.Parallel()
	w := serve(t, joined("unix://"+startRedis(t).socket, func(c *cloud.Config) {
		c.Node.Role, c.MQTT.Addr = configs.RoleOperators, ""
	}))
	config := cloudtest.Config(t)
	joined(w.Config.Redis.URL.Reveal(), func(c *cloud.Config) { c.Node.Role = configs.RoleDevices })(&config)
	if err := os.Symlink(filepath.Join(w.Config.Data, "images"), filepath.Join(config.Data, "images")); err != nil {
		t.Fatal(err)
	}
	devices := cloudtest.Must[*cloud.Cloud](t)(cloud.New(t.Context(), config))
	stop := cloudtest.Run(t, devices)
	at := "http://" + devices.Addresses().HTTP
	for _, row := range []struct {
		name, url string
		status    int
		body      string
	}{
		{"the API of devices", at + "/v1/products", http.StatusNotFound, "node.role is devices"},
		{"the console of devices", at + "/", http.StatusNotFound, "node.role is devices"},
		{"metrics of devices", at + "/metrics", http.StatusOK, "muster_connections"},
		{"the process of devices", at + "/healthz", http.StatusOK, "ok"},
		{"MQTT of operators", w.URL("/mqtt"), http.StatusNotFound, "node.role is operators"},
	} {
		if status, body := get(t, row.url); status != row.status || !strings.Contains(body, row.body) {
			t.Errorf("%s: got %d %.80q, want %d and %q", row.name, status, body, row.status, row.body)
		}
	}
	cloudtest.Until(t, "devices can be served", func() bool { status, _ := get(t, at+"/readyz"); return status == http.StatusOK })
	if a := w.Cloud.Addresses(); a.MQTT != "" || a.WebSocket != "" {
		t.Errorf("the one for operators has %+v", a)
	}
	nodes := devices.Store().Nodes()
	cloudtest.Until(t, "the servers know each other", func() bool { return len(nodes.Peers()) == 1 && len(w.Cloud.Store().Nodes().Peers()) == 1 })
	cloudtest.Until(t, "the one for operators leads", func() bool { return w.Cloud.Store().Nodes().Holds("jobs") })
	if nodes.Holds("jobs") || nodes.Peers()[0].TakesDevices() {
		t.Errorf("the one for devices leads, or its other one takes devices: %+v", nodes.Peers())
	}

	w.UploadVersions(20_000, 1, 2, 3)
	w.ReleaseVersion(1)
	d := cloudtest.Dial(t, mqttlite.Broker{Scheme: "tcp", Host: devices.Addresses().MQTT}, w.Enroll("a")[0])
	d.Hello(1)
	cloudtest.Until(t, "it is online", func() bool { return w.Online("a") })
	w.ReleaseVersion(2, cloudtest.Intelligent)
	d.DownloadFor("", d.OfferFor(""))
	cloudtest.Must[api.Firmware](t)(w.Release(t.Context(), cloudtest.Lamp, api.Release{Version: cloudtest.Whole(3), Plan: tenth(func(p *api.Plan) {
		p.Stages, p.Limits = p.Stages[1:], &api.PlanLimits{AtOnce: 1}
		p.Stages[0].Hold = &api.Span{Duration: time.Hour} // it is not over before
	})}))
	planned := cloudtest.Dial(t, mqttlite.Broker{Scheme: "tcp", Host: devices.Addresses().MQTT}, w.Enroll("b")[0])
	var asked time.Time
	cloudtest.Until(t, "the server for devices knows how much of the plan's limit is left", func() bool {
		if time.Since(asked) > 3*time.Second { // more are dropped
			greet(planned, 1, wire.TopicWelcome)
			asked = time.Now()
		}
		return w.Record("b").Update.To.Equal(fleet.WholeVersion(3))
	})
	if err := w.DeleteDevice(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	d.WaitClosed()
	stop() // nobody else takes devices: at once
}
