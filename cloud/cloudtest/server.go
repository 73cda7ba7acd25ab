// Package cloudtest runs whole servers in tests: a cloud on loopback with a real or an
// ephemeral Redis, its owner's API client, simulated fleets, and devices driven packet by packet.
//
// Every function that takes a testing.TB fails the test on an error and cleans up at its end.
package cloudtest

import (
	"context"
	"net/http"
	"os"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/muster-iot/muster/api/client"
	"github.com/muster-iot/muster/cloud"
	"github.com/muster-iot/muster/configs"
)

// What every server starts with.
const (
	OwnerEmail    = "owner@example.com"
	OwnerPassword = "correct horse battery staple"
	Lamp          = "lamp" // the product's slug
)

// Patience bounds every wait: a test that waits longer has failed. It is long because test machines are busy.
const Patience = 3 * time.Minute

// Server is a running server with one product, and its owner's client.
type Server struct {
	testing.TB
	*client.Client
	Cloud  *cloud.Cloud
	Config cloud.Config // as it was started
	Stop   func()       // ends the server and waits for that; may be called again
}

// Main runs the tests of a package and verifies that they leave no goroutine behind.
func Main(m interface{ Run() int }) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		removeBinary()
		os.Exit(code) //nolint:forbidigo // this is the main function of a test binary
	}), goleak.IgnoreAnyFunction("github.com/redis/go-redis/v9/internal/pool.(*ConnPool).tryDial")) // sleeps for a second before it notices that its pool is closed
}

// Serve starts a server on free ports. Failed attempts have no cool-down, so that tests
// need not wait for one; edits change the configuration.
func Serve(t testing.TB, edits ...func(*cloud.Config)) *Server {
	t.Helper()
	config := Config(t)
	config.OTA.CoolDown = []time.Duration{0}
	for _, edit := range edits {
		edit(&config)
	}
	c, err := cloud.New(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{TB: t, Cloud: c, Config: config, Stop: Run(t, c)}
	s.Client = SignIn(t, s.URL(""))
	if _, err := s.CreateProduct(t.Context(), "Lamp", Lamp); err != nil {
		t.Fatal(err)
	}
	return s
}

// Config returns the default settings, but on free ports, with a data folder and so a redis-server of
// the test's own, with the owner's password, with passwords that cost little to hash,
// and for devices that connect as often as they like.
func Config(t testing.TB) cloud.Config {
	config := cloud.Config{Config: configs.Default(), HashMemory: 64, ConnectBurst: 1_000_000, RivalBurst: 1_000_000}
	config.MQTT.Addr, config.HTTP.Addr = "127.0.0.1:0", "127.0.0.1:0"
	config.Data, config.Node.Drain = t.TempDir(), 0
	config.Owner.Email, config.Owner.Password = OwnerEmail, OwnerPassword
	return config
}

// Ephemeral makes the server keep the fleet in its own memory.
func Ephemeral(c *cloud.Config) { c.Redis.Ephemeral = true }

// Run runs c until the returned function is called, or the test ends.
func Run(t testing.TB, c *cloud.Cloud) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		http.DefaultTransport.(*http.Transport).CloseIdleConnections()
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the server ended with: %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

// SignIn signs the owner in at the server at base.
func SignIn(t testing.TB, base string) *client.Client {
	t.Helper()
	client, _, err := client.SignIn(t.Context(), base, OwnerEmail, OwnerPassword)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// URL is the HTTP address of path, which begins with a slash or is empty.
func (s *Server) URL(path string) string { return "http://" + s.Cloud.Addresses().HTTP + path }

// Token signs the owner in again and returns the access token.
func (s *Server) Token() string {
	s.Helper()
	_, token, err := client.SignIn(s.Context(), s.URL(""), OwnerEmail, OwnerPassword)
	if err != nil {
		s.Fatal(err)
	}
	return token.AccessToken
}

// Until waits until the condition holds; what completes "until ...". It looks often at first,
// then less often: a look may be a request.
func Until(t testing.TB, what string, holds func() bool) {
	t.Helper()
	deadline := time.NewTimer(Patience)
	defer deadline.Stop()
	for pause := time.Millisecond; !holds(); pause = min(2*pause, 200*time.Millisecond) {
		select {
		case <-time.After(pause):
		case <-deadline.C:
			t.Fatalf("timed out waiting until %s", what)
		}
	}
}

// Must returns a function that passes a value on and fails the test on an error.
func Must[V any](t testing.TB) func(v V, err error) V {
	return func(v V, err error) V {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}
