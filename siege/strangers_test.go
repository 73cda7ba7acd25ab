package siege

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/muster-iot/muster/cloud/cloudtest"
	"github.com/muster-iot/muster/simulator/mqttlite"
	"github.com/muster-iot/muster/wire/mqtt"
)

// patience is how long a stranger waits before the next attempt.
const patience = 5 * time.Second

// surround starts all strangers. They stop when ctx ends.
func (s *siege) surround(ctx context.Context) {
	at := s.server.Addresses()
	silent := []struct {
		name string
		dial func() (net.Conn, error)
	}{
		{"silent TCP", func() (net.Conn, error) { return dial(ctx, at.MQTT) }},
		{"silent before TLS", func() (net.Conn, error) { return dial(ctx, at.MQTTS) }},
		{"silent after TLS", func() (net.Conn, error) {
			return mqttlite.Broker{Scheme: "tls", Host: at.MQTTS, Source: stranger, TLS: &tls.Config{InsecureSkipVerify: true}}.Dial(ctx) //nolint:gosec // a stranger
		}},
		{"silent WebSocket", func() (net.Conn, error) {
			return mqttlite.Broker{Scheme: "ws", Host: at.HTTP, Path: "/mqtt", Source: stranger}.Dial(ctx)
		}},
	}
	for i := range s.scale.silent {
		kind := silent[i%len(silent)]
		s.again(ctx, func() { s.hold(ctx, kind.name, kind.dial, "") })
	}
	requests := []string{
		"GET / HTTP/1.1\r\nHost: x\r\n",
		"POST /oauth/token HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nusername=",
		"POST /sign-in HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n--x\r\n",
		"POST /v1/products HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{",
	}
	for i := range s.scale.requests {
		s.again(ctx, func() {
			s.hold(ctx, "unfinished requests", func() (net.Conn, error) { return dial(ctx, at.HTTP) }, requests[i%len(requests)])
		})
	}
	const provers = 10
	for range provers {
		s.strangers.Go(func() {
			for left := s.scale.proofs / provers; left > 0 && ctx.Err() == nil; left-- {
				s.proveWrongly(ctx, at.MQTT, left)
				pause(ctx, patience/50)
			}
		})
	}
	for i := range s.scale.signIns {
		s.strangers.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				s.signInWrongly(ctx, at.HTTP, i, n)
				pause(ctx, patience/50)
			}
		})
	}
}

// again repeats an attempt until ctx ends.
func (s *siege) again(ctx context.Context, attempt func()) {
	s.strangers.Go(func() {
		for ctx.Err() == nil {
			attempt()
			pause(ctx, patience)
		}
	})
}

// hold opens a connection, sends text and waits until the server ends it.
func (s *siege) hold(ctx context.Context, kind string, open func() (net.Conn, error), text string) {
	conn, err := open()
	if err != nil {
		s.tally.count(kind + " turned away")
		return
	}
	s.tally.count(kind)
	stop := context.AfterFunc(ctx, func() { _ = mqttlite.Abort(conn) })
	defer stop()
	defer func() { _ = mqttlite.Abort(conn) }()
	if _, err := io.WriteString(conn, text); err == nil {
		_, _ = io.Copy(io.Discard, conn)
	}
}

// proveWrongly sends a CONNECT of one of four devices with a wrong secret.
func (s *siege) proveWrongly(ctx context.Context, addr string, n int) {
	id := string(s.devices[n%4].ID)
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	conn, err := mqttlite.Dial(ctx, mqttlite.Broker{Scheme: "tcp", Host: addr, Source: stranger},
		mqtt.Client{ID: id, User: id, Password: fmt.Sprint("guess-", n)})
	if err == nil {
		_ = conn.Close()
		s.Errorf("%s was admitted with a wrong secret", id)
		return
	}
	s.tally.count("wrong proofs refused")
}

// verified is what is counted of sign-ins whose passwords were verified and wrong.
const verified = "sign-ins answered 400"

// signInWrongly sends guess n of stranger i, who has an address of their own: one address would
// have its few connections of HTTP taken by unfinished requests, and few attempts. Every other
// guess is at the owner's account, the others at accounts that don't exist, which take a hasher too.
func (s *siege) signInWrongly(ctx context.Context, addr string, i, n int) {
	broker := mqttlite.Broker{Scheme: "tcp", Host: addr, Source: net.IPv4(127, 0, 67, byte(1+i))}
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return broker.Dial(ctx) }, DisableKeepAlives: true}}
	email := cloudtest.OwnerEmail
	if n%2 == 1 {
		email = fmt.Sprintf("nobody-%d-%d@example.com", i, n)
	}
	body := "grant_type=password&password=a+guess+of+mine&username=" + email
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+addr+"/oauth/token", strings.NewReader(body))
	if err != nil {
		s.Error(err)
		return
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answer, err := client.Do(r)
	if err != nil {
		s.tally.count("sign-ins turned away")
		return
	}
	_ = answer.Body.Close()
	s.tally.count("sign-ins answered " + strconv.Itoa(answer.StatusCode))
	if answer.StatusCode == http.StatusOK {
		s.Error("a wrong password was accepted")
	}
}

// dial opens a connection from the strangers' address.
func dial(ctx context.Context, addr string) (net.Conn, error) {
	return mqttlite.Broker{Scheme: "tcp", Host: addr, Source: stranger}.Dial(ctx)
}

// pause waits, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// tally counts what strangers did.
type tally struct {
	temporary string // the server's folder for temporary files

	mu     sync.Mutex
	counts map[string]int // guarded by mu
}

func (t *tally) count(what string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counts[what]++
}

func (t *tally) of(what string) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.counts[what]
}

func (t *tally) read() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var parts []string
	for _, what := range slices.Sorted(maps.Keys(t.counts)) {
		parts = append(parts, fmt.Sprintf("%s %d", what, t.counts[what]))
	}
	return strings.Join(parts, ", ")
}

// look is what the server takes at a moment.
type look struct {
	memory    int // resident, MiB
	files     int // descriptors
	temporary int // files
}

func (l look) String() string {
	return fmt.Sprintf("%d MiB, %d descriptors, %d temporary files", l.memory, l.files, l.temporary)
}

// look looks at the server's process. It skips the test on a system without /proc.
func (s *siege) look() (l look) {
	proc := fmt.Sprintf("/proc/%d/", s.server.Cmd.Process.Pid)
	status, err := os.ReadFile(proc + "status")
	if err != nil {
		s.Skipf("no /proc to look at the server in: %v", err)
	}
	for line := range strings.Lines(string(status)) {
		if fields := strings.Fields(line); len(fields) == 3 && fields[0] == "VmRSS:" {
			kib, _ := strconv.Atoi(fields[1]) // it is a number
			l.memory = kib >> 10
		}
	}
	files, _ := os.ReadDir(proc + "fd") // no descriptors on an error
	temporary, _ := os.ReadDir(s.tally.temporary)
	l.files, l.temporary = len(files), len(temporary)
	return l
}

// watch returns the most that the server took until ctx ends.
func (s *siege) watch(ctx context.Context) (most look) {
	for ctx.Err() == nil {
		now := s.look()
		most.memory, most.files, most.temporary = max(most.memory, now.memory), max(most.files, now.files), max(most.temporary, now.temporary)
		pause(ctx, 100*time.Millisecond)
	}
	return most
}

func read(t testing.TB, r io.Reader) string {
	t.Helper()
	return string(cloudtest.Must[[]byte](t)(io.ReadAll(r)))
}
