package console

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/muster-iot/muster/accounts"
	"github.com/muster-iot/muster/audit"
	"github.com/muster-iot/muster/event"
	"github.com/muster-iot/muster/filter"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/history"
	"github.com/muster-iot/muster/job"
	"github.com/muster-iot/muster/notify"
	"github.com/muster-iot/muster/notify/webhook"
	"github.com/muster-iot/muster/ota"
	"github.com/muster-iot/muster/ota/image"
	"github.com/muster-iot/muster/ota/pace"
	"github.com/muster-iot/muster/ota/rehearsal"
	"github.com/muster-iot/muster/ota/release"
	"github.com/muster-iot/muster/ota/remaining"
	"github.com/muster-iot/muster/ota/rollout"
	"github.com/muster-iot/muster/registry"
	"github.com/muster-iot/muster/store"
	"github.com/muster-iot/muster/store/storetest"
)

const (
	ownerEmail    = "owner@example.com"
	ownerPassword = "correct horse battery"
)

// owner is who signs in in these tests.
var owner = fleet.Actor{User: 1, Team: 1, Email: ownerEmail, Role: fleet.Owner}

// world is a Console over everything it calls, on an ephemeral store, with one team.
type world struct {
	*Console
	t      testing.TB
	store  *store.Store
	images image.Store
	secret string // of the owner's session
}

// newWorld returns a world whose images are kept in a directory, unless change replaces it.
func newWorld(t testing.TB, change ...func(*world, *Config)) *world {
	t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	s := storetest.Open(t)
	images, err := image.OpenDirectory(t.TempDir(), s.Catalogs.Catalog)
	if err != nil {
		t.Fatal(err)
	}
	w, config := &world{t: t, store: s, images: images}, Config{Live: idle{}, Log: quiet}
	for _, c := range change {
		c(w, &config)
	}
	log := audit.New(s.Messages, quiet)
	config.Accounts = accounts.New(accounts.Config{Teams: s.Teams, Audit: log, HashMemory: 64})
	config.Releases = release.New(release.Config{
		MaxImage: 64 << 20, Devices: s.Devices, Catalogs: s.Catalogs, Teams: s.Teams, Index: s.Index, Images: w.images, Audit: log,
		OTA:      ota.New(ota.Config{MaxAttempts: 3}, s.Devices, s.Catalogs, image.NewChunker(w.images, 0, 0)),
		Announce: func(event.Event) {}, Changed: func(fleet.ProductID, []fleet.DeviceID) {},
	})
	config.Rehearsals = rehearsal.New(rehearsal.Config{
		Devices: s.Devices, Index: s.Index, Releases: config.Releases, OTA: ota.New(ota.Config{MaxAttempts: 3}, s.Devices, s.Catalogs, nil), MaxUpdates: 100,
	})
	config.Remaining = remaining.New(remaining.Config{Catalogs: s.Catalogs, Index: s.Index, Pace: pace.New(), MaxAttempts: 3})
	config.Rollouts = rollout.New(rollout.Config{Catalogs: s.Catalogs, Teams: s.Teams, Index: s.Index, Audit: log, MaxAttempts: 3, Log: quiet})
	config.Audit = log
	config.History = history.New(history.Config{
		Timelines: s.Timelines, Catalogs: s.Catalogs, Teams: s.Teams, Index: s.Index, Clock: s.Clock, Log: quiet,
		Tally: func(fleet.ProductID, fleet.GroupID) fleet.Tally { return fleet.Tally{} },
	})
	config.Notify = notify.New(notify.Config{
		Outbox: s.Outbox, Messages: s.Messages, Teams: s.Teams, Audit: log, Webhook: webhook.New(webhook.Guard{}), Log: quiet,
	})
	config.Registry = registry.New(registry.Config{
		Devices: s.Devices, Index: s.Index, Catalogs: s.Catalogs, Teams: s.Teams, Messages: s.Messages, Journal: s.Journal,
		Audit: log, Images: w.images, Forecast: config.Releases, Live: idle{}, Log: quiet,
	})
	config.Filters = filter.New(filter.Config{
		Registry: config.Registry, Releases: config.Releases, Rollouts: config.Rollouts, Remaining: config.Remaining, Saved: s.Filters, Audit: log,
	})
	config.Jobs = job.New(job.Config{
		Jobs: s.Jobs, Teams: s.Teams, Registry: config.Registry, Releases: config.Releases, Audit: log, Clock: s.Clock, Log: quiet,
	})
	w.Console = New(config)
	if _, err := w.accounts.Bootstrap(t.Context(), "Acme", ownerEmail, ownerPassword); err != nil {
		t.Fatal(err)
	}
	if w.secret, _, err = w.accounts.SignIn(t.Context(), fleet.SignIn{Email: ownerEmail, Password: ownerPassword}); err != nil {
		t.Fatal(err)
	}
	return w
}

// withLamp returns a world with the product lamp, which has the id 1.
func withLamp(t testing.TB, change ...func(*world, *Config)) *world {
	t.Helper()
	w := newWorld(t, change...)
	must[fleet.Product](t)(w.registry.CreateProduct(t.Context(), owner, fleet.Product{Team: 1, Name: "Lamp", Slug: "lamp"}))
	return w
}

// idle is a server without connections.
type idle struct{}

func (idle) Recheck(...fleet.DeviceID) {}
func (idle) Kick(fleet.DeviceID)       {}
func (idle) Command(fleet.DeviceID)    {}
func (idle) Announce(event.Event)      {}

func (idle) Heard(fleet.DeviceID) time.Time { return time.Time{} }

func (idle) Listen(fleet.TeamID) (<-chan event.Event, func()) {
	return make(chan event.Event), func() {}
}

// must returns v and fails the test on an error.
func must[T any](t testing.TB) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// visit returns an owner's request.
func (w *world) visit(target string) *visit {
	r := httptest.NewRequestWithContext(w.t.Context(), http.MethodGet, target, nil)
	return &visit{Console: w.Console, w: httptest.NewRecorder(), r: r, actor: owner, secret: w.secret, product: fleet.Product{ID: 1, Team: 1, Slug: "lamp"}}
}

// send returns the console's answer to a request; form is nil for none.
func (w *world) send(method, target string, form url.Values, edits ...func(*http.Request)) *http.Response {
	w.t.Helper()
	request := httptest.NewRequestWithContext(w.t.Context(), method, target, strings.NewReader(form.Encode()))
	if form != nil {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for _, edit := range edits {
		edit(request)
	}
	recorder := httptest.NewRecorder()
	w.ServeHTTP(recorder, request)
	return recorder.Result()
}

// signed makes a request one of the owner's session.
func (w *world) signed(r *http.Request) {
	r.AddCookie(&http.Cookie{Name: sessionCookie, Value: w.secret})
}

func header(name, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

func withBody(data io.Reader) func(*http.Request) {
	return func(r *http.Request) { r.Body = io.NopCloser(data) }
}

func body(t testing.TB, r *http.Response) string {
	t.Helper()
	return string(must[[]byte](t)(io.ReadAll(r.Body)))
}

// finish waits until the newest job of the team is over, which is carried out meanwhile.
func (w *world) finish() job.Job {
	w.t.Helper()
	ctx, cancel := context.WithCancel(w.t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		w.jobs.Run(ctx)
	}()
	defer func() { cancel(); <-ended }()
	for {
		list := must[[]job.Job](w.t)(w.jobs.List(ctx, owner))
		if len(list) == 0 {
			w.t.Fatal("no job was started")
		}
		if list[0].State.Over() {
			return list[0]
		}
		<-time.After(2 * time.Millisecond)
	}
}
