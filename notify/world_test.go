package notify

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/muster-iot/muster/audit"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/notify/webhook"
	"github.com/muster-iot/muster/store"
	"github.com/muster-iot/muster/store/storetest"
)

var boss = fleet.Actor{User: 1, Email: "owner@example.com", Team: 1, Role: fleet.Owner}

// world is a Service on an ephemeral store with one team, and a receiver of webhooks.
type world struct {
	*Service
	t        testing.TB
	store    *store.Store
	receiver *receiver
}

// patience bounds every wait.
const patience = 3 * time.Minute

func newWorld(t testing.TB) *world {
	t.Helper()
	s := storetest.Open(t)
	if _, err := s.Teams.CreateUser(t.Context(), fleet.User{Email: boss.Email}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Teams.CreateTeam(t.Context(), fleet.Team{Name: "Acme"}, fleet.Member{User: 1, Email: boss.Email}); err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, store: s, receiver: receive(t)}
	w.restart()
	return w
}

// restart replaces the service by a new one, as a new process would have it.
func (w *world) restart() {
	quiet := slog.New(slog.DiscardHandler)
	w.Service = New(Config{
		Outbox: w.store.Outbox, Messages: w.store.Messages, Teams: w.store.Teams, Audit: audit.New(w.store.Messages, quiet), Log: quiet,
		Webhook: webhook.New(webhook.Guard{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}),
		Raise: func(_ context.Context, team fleet.TeamID, name, text string) {
			w.raise(fleet.Alert{Team: team, Name: name, Text: text})
		},
		Products: func(context.Context, fleet.TeamID) ([]ProductReport, error) {
			return []ProductReport{{Product: "lamp", Devices: 9, Online: 7, Attention: map[string]int{"held": 2}}}, nil
		},
		Name: func(context.Context, fleet.ProductID) (string, error) { return "lamp", nil },
	})
	w.pauses = []time.Duration{time.Millisecond, time.Millisecond, time.Millisecond}
	w.Service.gathering = map[Medium]time.Duration{Webhook: 30 * time.Millisecond}
}

// run runs the worker until the returned function is called.
func (w *world) run() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended, service := make(chan struct{}), w.Service
	go func() { defer close(ended); service.Run(ctx) }()
	stop = sync.OnceFunc(func() { cancel(); <-ended; service.config.Webhook.Close() })
	w.t.Cleanup(stop)
	return stop
}

// raise raises an alert of the team.
func (w *world) raise(a fleet.Alert) {
	w.t.Helper()
	a.Team = 1
	if _, err := w.store.Messages.Raise(context.Background(), a); err != nil {
		w.t.Error(err)
	}
	w.Wake(1)
}

// channel adds a webhook to the receiver.
func (w *world) channel(edit ...func(*Channel)) Channel {
	w.t.Helper()
	c := Channel{Name: "on call", Kind: Webhook, URL: w.receiver.URL + "/hook", Topics: Topics}
	for _, e := range edit {
		e(&c)
	}
	c, err := w.Create(w.t.Context(), boss, c)
	if err != nil {
		w.t.Fatal(err)
	}
	w.receiver.trust(c.Secret)
	return c
}

// sent returns what the log has, oldest first.
func (w *world) sent() []*Notification {
	w.t.Helper()
	all, err := w.Log(w.t.Context(), boss, "", "")
	if err != nil {
		w.t.Fatal(err)
	}
	slices.Reverse(all)
	return all
}

// until waits until the condition holds.
func (w *world) until(what string, holds func() bool) {
	w.t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for !holds() {
		select {
		case <-time.After(time.Millisecond):
		case <-deadline.C:
			w.t.Fatalf("timed out waiting until %s", what)
		}
	}
}

// receiver is an HTTP server that verifies what it gets.
type receiver struct {
	*httptest.Server
	got chan request

	mu      sync.Mutex
	secrets []string                                     // guarded by mu
	answer  func(w http.ResponseWriter, r *http.Request) // guarded by mu
}

// request is one that the receiver got.
type request struct {
	id   string
	body string
	payload
}

func receive(t testing.TB) *receiver {
	r := &receiver{got: make(chan request, 10_000), answer: func(http.ResponseWriter, *http.Request) {}}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, h *http.Request) {
		body, err := io.ReadAll(h.Body)
		if err != nil {
			return // the sender has ended
		}
		r.mu.Lock()
		secrets, answer := slices.Clone(r.secrets), r.answer
		r.mu.Unlock()
		one := request{id: h.Header.Get(webhook.IDHeader), body: string(body)}
		if !slices.ContainsFunc(secrets, func(s string) bool {
			return webhook.Verify(s, one.id, h.Header.Get(webhook.TimestampHeader), h.Header.Get(webhook.SignatureHeader), body, time.Now()) == nil
		}) {
			t.Errorf("a request is not signed: %v", h.Header)
		}
		if err := json.Unmarshal(body, &one.payload); err != nil {
			t.Errorf("%s: %v", body, err)
		}
		r.got <- one
		answer(w, h)
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) trust(secret string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.secrets = append(r.secrets, secret)
}

// answering sets how requests are answered.
func (r *receiver) answering(answer func(w http.ResponseWriter, r *http.Request)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = answer
}

func (r *receiver) failing(status int) {
	r.answering(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
}

// next returns the next request.
func (w *world) next() request {
	w.t.Helper()
	select {
	case got := <-w.receiver.got:
		return got
	case <-time.After(patience):
		w.t.Fatal("no request came")
		return request{}
	}
}

func alert(n int) fleet.Alert {
	return fleet.Alert{Device: fleet.DeviceID("lamp-" + strconv.Itoa(n)), Name: "rolled_back", Text: "version 2 did not stay"}
}
