package cloud_test

import (
	"bufio"
	"context"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/cloud"
	"github.com/muster-iot/muster/cloud/cloudtest"
	"github.com/muster-iot/muster/configs"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

// operatorsRedis is a Redis that the server did not start.
type operatorsRedis struct {
	t      testing.TB
	socket string
	cmd    *exec.Cmd
}

func startRedis(t testing.TB) *operatorsRedis {
	t.Helper()
	folder := cloudtest.Must[string](t)(os.MkdirTemp("", "r")) // t.TempDir is too long for a socket
	r := &operatorsRedis{t: t, socket: filepath.Join(folder, "s")}
	r.cmd = exec.Command("redis-server", "--port", "0", "--unixsocket", r.socket, "--dir", folder, "--save", "",
		"--appendonly", "yes", "--appendfsync", "always")
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = r.cmd.Process.Kill()
		_ = r.cmd.Wait()
		_ = os.RemoveAll(folder)
	})
	cloudtest.Until(t, "redis answers", func() bool {
		conn, err := net.Dial("unix", r.socket)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
	return r
}

// use makes a server keep its fleet there, and sets its log.
func (r *operatorsRedis) use(log *slog.Logger) func(*cloud.Config) {
	return func(c *cloud.Config) {
		c.Redis.URL, c.Logger = configs.Secret("unix://"+r.socket), log
		c.MQTT.MaxConnections = 100 // fits any limit of open files, so that the log has no line about it
	}
}

// do sends one command; its reply must not be an error.
func (r *operatorsRedis) do(command string) {
	r.t.Helper()
	conn := cloudtest.Must[net.Conn](r.t)(net.Dial("unix", r.socket))
	defer conn.Close()
	_, err := conn.Write([]byte(command + "\r\n"))
	if err != nil {
		r.t.Fatal(err)
	}
	if reply := cloudtest.Must[string](r.t)(bufio.NewReader(conn).ReadString('\n')); strings.HasPrefix(reply, "-") {
		r.t.Fatalf("%s: %s", command, reply)
	}
}

// logged is the log of a server.
type logged struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func newLog() (*slog.Logger, *logged) {
	l := &logged{}
	return slog.New(slog.NewTextHandler(l, nil)), l
}

func (w *world) ready(want int) func() bool {
	return func() bool { status, _ := w.get("/readyz"); return status == want }
}

// Whatever Redis answers, devices get busy and come back, and operators get advice.
func TestARefusalOfRedisIsNotBlamedOnClients(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ name, begin, end, advice string }{
		{"a right to read", "ACL SETUSER default -hgetall", "ACL SETUSER default +hgetall", "denies its user a right"},
		{"a right to write", "ACL SETUSER default -hmget", "ACL SETUSER default +hmget", "denies its user a right"},
		{"memory", "CONFIG SET maxmemory 1", "CONFIG SET maxmemory 0", "out of memory"},
		{"writes", "REPLICAOF 127.0.0.1 1", "REPLICAOF NO ONE", "is a replica"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			redis := startRedis(t)
			log, text := newLog()
			w := serve(t, redis.use(log))
			known := w.Enroll("a", "b", "c")
			token := w.Token()
			d := w.Dial(known[2])
			d.Hello(1)
			redis.do(row.begin)
			var asking sync.WaitGroup // at once, as each may wait for Redis until its patience is over
			defer asking.Wait()
			asking.Go(func() { // that a right to read is missing is noticed when a device comes
				if code := w.refusal(w.Broker(), known[0]); code != 0 && code != 3 {
					t.Errorf("MQTT 3.1.1: got code %d, want 3, or 0 where reading works", code)
				}
			})
			cloudtest.Until(t, "the server is not ready", w.ready(http.StatusServiceUnavailable))
			for _, call := range []struct{ method, path, body string }{
				{"PUT", "/v1/products/lamp/devices/a", `{"name":"new"}`},
				{"POST", "/v1/devices/a/commands", `{"name":"blink"}`},
				{"POST", "/v1/products/lamp/groups", `{"name":"g1"}`},
			} {
				request := cloudtest.Must[*http.Request](t)(http.NewRequestWithContext(t.Context(), call.method, w.URL(call.path), strings.NewReader(call.body)))
				request.Header.Set("Authorization", "Bearer "+token)
				request.Header.Set("Content-Type", "application/json")
				asking.Go(func() {
					answer, err := http.DefaultClient.Do(request)
					if err != nil {
						t.Error(err)
						return
					}
					_ = answer.Body.Close()
					if answer.StatusCode != http.StatusServiceUnavailable || answer.Header.Get("Retry-After") == "" {
						t.Errorf("%s %s: got %d, Retry-After %q, want 503 and when", call.method, call.path, answer.StatusCode, answer.Header.Get("Retry-After"))
					}
				})
			}
			if code := w.reason(w.Broker(), known[1]); code != 0 && code != 0x89 {
				t.Errorf("MQTT 5: got code 0x%02x, want 0x89, or 0 where reading works", code)
			}
			if welcome := d.Hello(1); welcome.Reason != wire.ReasonBusy || welcome.Again == 0 {
				t.Errorf("Hello: got %+v, want busy and when to come again", welcome)
			}
			asking.Wait()
			if status, body := w.get("/readyz"); status != http.StatusServiceUnavailable || !strings.Contains(body, row.advice) {
				t.Errorf("/readyz: got %d %q, want 503 and %q", status, body, row.advice)
			}
			redis.do(row.end)
			cloudtest.Until(t, "the server is ready", w.ready(http.StatusOK))
			if code := w.refusal(w.Broker(), known[0]); code != 0 {
				t.Errorf("afterwards: got code %d", code)
			}
			if n := strings.Count(text.String(), "level=WARN") + strings.Count(text.String(), "level=ERROR"); n != 1 || !strings.Contains(text.String(), row.advice) {
				t.Errorf("got %d lines about the outage, want one with %q:\n%s", n, row.advice, text)
			}
		})
	}
}

func TestAnOutageIsOneLineHoweverManyDevicesConnect(t *testing.T) {
	t.Parallel()
	redis := startRedis(t)
	log, text := newLog()
	w := serve(t, redis.use(log))
	var ids []fleet.DeviceID
	for _, n := range strings.Fields("a b c d e f g h i j k l m n o p q r s t") {
		ids = append(ids, fleet.DeviceID(n))
	}
	known := w.Enroll(ids...)
	devices := make([]*cloudtest.Device, 0, len(known)/2)
	for _, c := range known[:len(known)/2] {
		devices = append(devices, w.Dial(c))
	}
	redis.do("REPLICAOF 127.0.0.1 1")
	redis.do("ACL SETUSER default -hgetall")
	var all sync.WaitGroup
	for _, d := range devices {
		all.Go(func() { d.Hello(1) })
	}
	for _, c := range known[len(known)/2:] {
		all.Go(func() { w.refusal(w.Broker(), c) })
	}
	all.Wait()
	redis.do("ACL SETUSER default +hgetall")
	redis.do("REPLICAOF NO ONE")
	cloudtest.Until(t, "the server is ready", w.ready(http.StatusOK))
	var lines []string
	for line := range strings.Lines(text.String()) {
		if strings.Contains(line, "redis") || strings.Contains(line, "refused") || strings.Contains(line, "postponed") {
			lines = append(lines, line)
		}
	}
	if len(lines) != 2 || !strings.Contains(lines[0], "level=WARN") || !strings.Contains(lines[1], "answers again") {
		t.Errorf("got these lines, want one for the beginning and one for the end:\n%s", strings.Join(lines, ""))
	}
}

func TestAnEmptiedRedisNeverGetsANewOwner(t *testing.T) {
	t.Parallel()
	redis := startRedis(t)
	log, _ := newLog()
	data := t.TempDir()
	inData := func(c *cloud.Config) { c.Data = data }
	w := serve(t, redis.use(log), inData)
	d := w.Dial(w.Enroll("a")[0])
	token := w.Token()
	redis.do("FLUSHALL")
	cloudtest.Until(t, "the server says that its store is gone", func() bool {
		status, reason := w.get("/readyz") // a busy machine may make it not ready before
		return status == http.StatusServiceUnavailable && strings.Contains(reason, "does not hold the store")
	})
	d.Send(wire.TopicMessage, 1, []byte("lost"))
	d.WaitClosed() // no PUBACK
	if status, _ := w.asks(t, token, "/v1/products"); status != http.StatusServiceUnavailable {
		t.Errorf("a token: got %d, want 503", status)
	}
	w.Stop()
	config := cloudtest.Config(t)
	redis.use(log)(&config)
	inData(&config)
	config.ReportPassword = func(string, string) { t.Error("a new owner was created") }
	config.Owner.Password = ""
	if c, err := cloud.New(t.Context(), config); err == nil || !strings.Contains(err.Error(), "belongs to the store") {
		t.Errorf("got %v, want that the folder belongs to a store that is gone", err)
		if err == nil {
			cloudtest.Run(t, c)()
		}
	}
}

func TestAServerThatLosesItsStoreToAnotherEnds(t *testing.T) {
	t.Parallel()
	redis := startRedis(t)
	log, _ := newLog()
	config := cloudtest.Config(t)
	redis.use(log)(&config)
	c := cloudtest.Must[*cloud.Cloud](t)(cloud.New(t.Context(), config))
	ended := make(chan error, 1)
	go func() { ended <- c.Run(context.Background()) }()
	config.Data = t.TempDir()
	if other, err := cloud.New(t.Context(), config); err == nil || !strings.Contains(err.Error(), "another Muster uses this Redis") {
		t.Errorf("a second server: got %v, want that another one uses this Redis", err)
		if err == nil {
			cloudtest.Run(t, other)()
		}
	}
	redis.do("SET lease:{store} another") // as by a process that believed the first one dead
	select {
	case err := <-ended:
		if err == nil || !strings.Contains(err.Error(), "another Muster") {
			t.Errorf("got %v", err)
		}
	case <-time.After(cloudtest.Patience):
		t.Fatal("it keeps running")
	}
}

// TestAChangeThatWasAnsweredIsAudited lets Redis take a change, but not its audit entry: the
// server's user has no right to append to a stream meanwhile.
func TestAChangeThatWasAnsweredIsAudited(t *testing.T) {
	t.Parallel()
	redis := startRedis(t)
	log, text := newLog()
	w := serve(t, redis.use(log))
	w.Enroll("a")
	token := w.Token()
	audited := func() bool {
		_, body := w.asks(t, token, "/v1/team/audit")
		return strings.Count(body, `"device.update"`) == 1
	}
	redis.do("ACL SETUSER default -xadd")
	cloudtest.Must[api.Device](t)(w.UpdateDevice(t.Context(), cloudtest.Lamp, "a", api.DeviceUpdate{Name: api.Some("new name")}))
	if audited() {
		t.Fatal("the audit entry was written: this test shows nothing")
	}
	redis.do("ACL SETUSER default +xadd")
	cloudtest.Until(t, "the change is in the audit log", audited)
	if strings.Contains(text.String(), "lost") {
		t.Errorf("got the log %s", text)
	}
}
