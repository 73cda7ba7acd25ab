package siege

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/certificate"
	"github.com/muster-iot/muster/certificate/selfsigned"
	"github.com/muster-iot/muster/cloud/cloudtest"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/simulator"
	"github.com/muster-iot/muster/simulator/mqttlite"
)

func TestMain(m *testing.M) { cloudtest.Main(m) }

// scale is how much of everything a siege has. The deadlines are the same at each scale.
type scale struct {
	silent   int // sockets at a time that say nothing: TCP, TLS and WebSocket together
	requests int // unfinished HTTP requests at a time
	proofs   int // wrong ones, in all
	signIns  int // at once, with wrong passwords, again and again, each from an address of its own
	devices  int // connections of devices, in all
	memory   int // MiB the server may take in addition to what it has when it is idle
	near     int // percent of the devices at the strangers' address that the bound is for; some connections are refused
}

var (
	small = scale{silent: 200, requests: 200, proofs: 100, signIns: 12, devices: 60, memory: 200, near: 90}
	full  = scale{silent: 2000, requests: 2000, proofs: 1000, signIns: 60, devices: 400, memory: 300, near: 99}
)

const (
	bound   = time.Second      // for a device to connect and get its Welcome
	seconds = 5 * time.Second  // for the owner to sign in
	longest = 90 * time.Second // for all devices
)

// The addresses that those who take part have.
var (
	stranger  = net.IPv4(127, 0, 66, 6)
	elsewhere = net.IPv4(127, 0, 1, 7)
)

// siege is a server, and the strangers outside.
type siege struct {
	*testing.T
	scale
	server  *cloudtest.Process
	pool    *tls.Config // trusts the server
	devices []simulator.Credential

	strangers sync.WaitGroup
	tally     tally
}

func TestDevicesAndTheOwnerGetThroughASiege(t *testing.T) {
	size := small
	if os.Getenv("MUSTER_SIEGE") == "full" {
		size = full
	}
	s := begin(t, size)
	idle := s.look()
	ctx, end := context.WithCancel(t.Context())
	defer end()
	s.surround(ctx)
	watched := make(chan look)
	go func() { watched <- s.watch(ctx) }()

	far, near := s.connect(ctx)
	s.ownerSignsIn()
	s.healthIsSeen()
	during := s.tally.read()
	end()
	s.strangers.Wait()
	most := <-watched

	s.judge("devices from another address", 99, far)
	s.judge("devices from the strangers' address", size.near, near)
	t.Logf("strangers: %s", during)
	t.Logf("server: %s idle, %s at most", idle, most)
	if verified := s.tally.of(verified); verified < size.signIns {
		t.Errorf("%d guessed passwords were verified, want at least %d: this was not a siege of sign-ins", verified, size.signIns)
	}
	if grown := most.memory - idle.memory; grown > size.memory {
		t.Errorf("the server took %d MiB more, want at most %d", grown, size.memory)
	}
	if most.files > 2000 {
		t.Errorf("the server had %d descriptors, want at most 2000", most.files)
	}
	if most.temporary > idle.temporary {
		t.Errorf("the server had %d temporary files, want %d as before", most.temporary, idle.temporary)
	}
	s.aftermath()
}

// begin starts a server with TLS that trusts no proxy, and a fleet.
func begin(t *testing.T, size scale) *siege {
	t.Helper()
	folder := t.TempDir()
	pair := certificate.Pair{Cert: filepath.Join(folder, "cert.pem"), Key: filepath.Join(folder, "key.pem")}
	roots, err := selfsigned.Write(pair, time.Now().Add(-time.Hour), time.Now().Add(time.Hour), "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	server := cloudtest.Spawn(t, func(p *cloudtest.Process) {
		p.Env = []string{
			"MUSTER_MQTTS_ADDR=127.0.0.1:0", "MUSTER_MQTTS_TLS_CERT=" + pair.Cert, "MUSTER_MQTTS_TLS_KEY=" + pair.Key,
			"MUSTER_HTTP_TRUSTED_PROXIES=", "TMPDIR=" + filepath.Join(folder, "tmp"),
			"GOGC=100", // its memory is judged: scripts/test.sh has another number for what it runs
		}
		if err := os.Mkdir(filepath.Join(folder, "tmp"), 0o700); err != nil {
			t.Fatal(err)
		}
	})
	owner := server.Owner()
	if _, err := owner.CreateProduct(t.Context(), "Lamp", cloudtest.Lamp); err != nil {
		t.Fatal(err)
	}
	ids := make([]fleet.DeviceID, 20)
	for i := range ids {
		ids[i] = fleet.DeviceID(fmt.Sprintf("lamp-%d", i))
	}
	return &siege{
		T: t, scale: size, server: server, pool: &tls.Config{RootCAs: roots, ServerName: "127.0.0.1"},
		devices: cloudtest.Enroll(t, owner, ids...),
		tally:   tally{counts: map[string]int{}, temporary: filepath.Join(folder, "tmp")},
	}
}

// connect has devices connect and say Hello, one after the other, from another address than the
// strangers and from theirs, and returns how long each took. It ends early when that takes too
// long in all.
func (s *siege) connect(ctx context.Context) (far, near []time.Duration) {
	s.Helper()
	at := s.server.Addresses()
	brokers := []mqttlite.Broker{
		{Scheme: "tcp", Host: at.MQTT},
		{Scheme: "tls", Host: at.MQTTS, TLS: s.pool},
		{Scheme: "ws", Host: at.HTTP, Path: "/mqtt"},
	}
	late := time.Now().Add(longest)
	for i := range s.scale.devices {
		begun := time.Now()
		if begun.After(late) {
			s.Errorf("%d of %d devices have connected within %s", i, s.scale.devices, longest)
			break
		}
		broker, took := brokers[i/2%len(brokers)], &far
		broker.Source = elsewhere
		if i%2 == 1 {
			broker.Source, took = stranger, &near
		}
		d := s.dialAgain(ctx, broker, s.devices[i%len(s.devices)])
		d.Hello(1)
		*took = append(*took, time.Since(begun))
		_ = d.Disconnect()
		pause(ctx, 50*time.Millisecond)
	}
	return far, near
}

// dialAgain connects a device as a device does: when it is turned away, which is expected at the
// strangers' address only, it tries again. The time counts.
func (s *siege) dialAgain(ctx context.Context, broker mqttlite.Broker, c simulator.Credential) *cloudtest.Device {
	s.Helper()
	for {
		d, err := cloudtest.TryDial(s, broker, c)
		if err == nil {
			return d
		}
		if !broker.Source.Equal(stranger) || ctx.Err() != nil {
			s.Fatal(err)
		}
		s.tally.count("devices turned away")
		pause(ctx, 50*time.Millisecond)
	}
}

// judge holds the times that devices took to connect to the bound: so many percent of them.
func (s *siege) judge(who string, percent int, took []time.Duration) {
	s.Helper()
	slices.Sort(took)
	at := func(percent int) time.Duration { return took[len(took)*percent/100-1] }
	s.Logf("%d %s: p50 %s, p90 %s, p99 %s, longest %s", len(took), who, at(50), at(90), at(99), at(100))
	if at(percent) > bound {
		s.Errorf("%s: p%d of connecting is %s, want at most %s", who, percent, at(percent), bound)
	}
}

// ownerSignsIn signs the owner in from another address, with a browser that is not known.
func (s *siege) ownerSignsIn() {
	s.Helper()
	begun := time.Now()
	cloudtest.SignIn(s, s.server.URL)
	took := time.Since(begun)
	s.Logf("the owner signed in after %s", took)
	if took > seconds {
		s.Errorf("the owner signed in after %s, want at most %s", took, seconds)
	}
}

func (s *siege) healthIsSeen() {
	s.Helper()
	for _, path := range []string{"/healthz", "/readyz"} {
		answer := cloudtest.Must[*http.Response](s)(http.Get(s.server.URL + path))
		_ = answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			s.Errorf("%s: got %d, want 200", path, answer.StatusCode)
		}
	}
}

// aftermath verifies what the team learns of it.
func (s *siege) aftermath() {
	s.Helper()
	owner := s.server.Owner()
	var alerts []string
	cloudtest.Until(s, "there is an alert about the guesses", func() bool {
		alerts = nil
		page, err := owner.Alerts(s.Context(), api.AlertFilter{})
		if err != nil {
			s.Fatal(err)
		}
		for _, a := range page.Items {
			alerts = append(alerts, a.Name+": "+a.Text)
		}
		return slices.ContainsFunc(alerts, func(text string) bool {
			return strings.HasPrefix(text, "secret_guessed: ") && strings.Contains(text, stranger.String()) && strings.Contains(text, "lamp-")
		})
	})
	answer := cloudtest.Must[*http.Response](s)(http.Get(s.server.URL + "/metrics"))
	defer answer.Body.Close()
	if text := read(s, answer.Body); !strings.Contains(text, "\nmuster_panics_total 0\n") {
		s.Error("a connection panicked")
	}
}
