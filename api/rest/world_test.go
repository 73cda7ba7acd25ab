package rest_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/muster-iot/muster/accounts"
	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/api/account"
	"github.com/muster-iot/muster/api/channels"
	"github.com/muster-iot/muster/api/client"
	"github.com/muster-iot/muster/api/exports"
	apihistory "github.com/muster-iot/muster/api/history"
	apijobs "github.com/muster-iot/muster/api/jobs"
	"github.com/muster-iot/muster/api/nrf"
	"github.com/muster-iot/muster/api/particle"
	apirehearsal "github.com/muster-iot/muster/api/rehearsal"
	"github.com/muster-iot/muster/api/rest"
	"github.com/muster-iot/muster/api/route"
	"github.com/muster-iot/muster/api/updates"
	"github.com/muster-iot/muster/api/upload"
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
	ownerEmail = "me@example.com"
	password   = "correct horse battery staple"
	maxImage   = 1000 // bytes
	lamp7      = fleet.DeviceID("lamp-7")
)

// world is an API over the real domain on an ephemeral store, with its client. Its team has
// product lamp with firmware 7 and 1.4.0-rc.1, groups beta, eu and hidden, and the devices
// lamp-7 in beta and eu, lamp-8 in no group, and lamp-9 in hidden. No device is connected.
type world struct {
	*client.Client // the owner's
	t              testing.TB
	store          *store.Store
	domain         rest.Domain
	jobs           *job.Service
	operations     *rest.API
	rehearsals     *rehearsal.Service
	past           *history.History
	remaining      *remaining.Service
	events         *feed
	server         *httptest.Server
	token          string // the owner's
	owner          fleet.Actor
	product        fleet.ProductID
}

// feed is a source of events with one listener.
type feed struct {
	queue chan event.Event
	left  chan bool
}

// Listen implements rest.Events.
func (f *feed) Listen(fleet.TeamID) (<-chan event.Event, func()) {
	return f.queue, func() { f.left <- true }
}

// disconnected is a registry.Live without devices.
type disconnected struct{}

func (disconnected) Recheck(...fleet.DeviceID)      {}
func (disconnected) Kick(fleet.DeviceID)            {}
func (disconnected) Command(fleet.DeviceID)         {}
func (disconnected) Announce(event.Event)           {}
func (disconnected) Heard(fleet.DeviceID) time.Time { return time.Time{} }

func newWorld(t testing.TB) *world {
	t.Helper()
	w := bare(t)
	w.server = httptest.NewServer(w.handler())
	t.Cleanup(w.server.Close)
	w.Client = client.New(w.server.URL, w.token)
	w.fill()
	return w
}

// bare is a world that nobody serves, without products.
func bare(t testing.TB) *world {
	t.Helper()
	ctx, quiet := context.Background(), slog.New(slog.DiscardHandler)
	s := storetest.Open(t)
	images := must[*image.Directory](t)(image.OpenDirectory(t.TempDir(), s.Catalogs.Catalog))
	log := audit.New(s.Messages, quiet)
	releases := release.New(release.Config{
		MaxImage: maxImage, Devices: s.Devices, Catalogs: s.Catalogs, Teams: s.Teams, Index: s.Index, Images: images, Audit: log,
		OTA: ota.New(ota.Config{Ready: func(fleet.DeviceID) {}}, s.Devices, s.Catalogs, image.NewChunker(images, 0, 0)),
	})
	w := &world{t: t, store: s, events: &feed{queue: make(chan event.Event, 10), left: make(chan bool, 10)}}
	w.domain = rest.Domain{
		Accounts: accounts.New(accounts.Config{Teams: s.Teams, Audit: log, HashMemory: 64}),
		Registry: registry.New(registry.Config{
			Devices: s.Devices, Index: s.Index, Catalogs: s.Catalogs, Teams: s.Teams, Messages: s.Messages, Journal: s.Journal,
			Audit: log, Images: images, Forecast: releases, Live: disconnected{}, Log: quiet,
		}),
		Releases: releases, Rollouts: rollout.New(rollout.Config{Catalogs: s.Catalogs, Teams: s.Teams, Index: s.Index, Audit: log, Log: quiet}),
		Audit: log, Events: w.events, Repeats: s.Repeats,
		Notify: notify.New(notify.Config{
			Outbox: s.Outbox, Messages: s.Messages, Teams: s.Teams, Audit: log, Webhook: webhook.New(webhook.Guard{}), Log: quiet,
		}),
	}
	w.remaining = remaining.New(remaining.Config{Catalogs: s.Catalogs, Index: s.Index, Pace: pace.New(), MaxAttempts: 3})
	w.domain.Filters = filter.New(filter.Config{
		Registry: w.domain.Registry, Releases: releases, Rollouts: w.domain.Rollouts, Remaining: w.remaining, Saved: s.Filters, Audit: log,
	})
	w.jobs = job.New(job.Config{Jobs: s.Jobs, Teams: s.Teams, Registry: w.domain.Registry, Releases: releases, Audit: log, Clock: s.Clock, Log: quiet})
	w.past = history.New(history.Config{
		Timelines: s.Timelines, Catalogs: s.Catalogs, Teams: s.Teams, Index: s.Index, Clock: s.Clock, Log: quiet,
		Tally: func(fleet.ProductID, fleet.GroupID) fleet.Tally { return fleet.Tally{} },
	})
	w.rehearsals = rehearsal.New(rehearsal.Config{Devices: s.Devices, Index: s.Index, OTA: ota.New(ota.Config{MaxAttempts: 3}, s.Devices, s.Catalogs, nil), Releases: releases, MaxUpdates: 10})
	config := rest.Config{
		Version: "1.2.3", MQTT: "mqtt.example.com:8883", MaxImage: maxImage, Heartbeat: 20 * time.Millisecond,
	}
	w.operations = rest.New(config, w.domain, quiet)
	must[bool](t)(w.domain.Accounts.Bootstrap(ctx, "Team", ownerEmail, password))
	w.token, w.owner = w.signIn(ownerEmail)
	return w
}

// fill makes what world promises.
func (w *world) fill() {
	w.t.Helper()
	ctx := context.Background()
	w.product = must[fleet.Product](w.t)(w.domain.Registry.CreateProduct(ctx, w.owner, fleet.Product{Name: "Lamp", Slug: "lamp"})).ID
	for _, name := range []string{"beta", "eu", "hidden"} {
		must[fleet.GroupView](w.t)(w.domain.Registry.CreateGroup(ctx, w.owner, fleet.Group{Product: w.product, Name: name}))
	}
	for id, groups := range map[string][]string{"lamp-7": {"beta", "eu"}, "lamp-8": nil, "lamp-9": {"hidden"}} {
		must[fleet.Imported](w.t)(w.domain.Registry.Import(ctx, w.owner, fleet.Import{Product: w.product, Devices: fleet.NewDevices(id), Groups: groups}))
	}
	for _, v := range []string{"7", "1.4.0-rc.1"} {
		w.upload(v)
	}
}

// upload uploads a version.
func (w *world) upload(v string) {
	w.t.Helper()
	f := fleet.Firmware{Product: w.product, Version: version(v), File: "lamp.bin"}
	must[fleet.Firmware](w.t)(w.domain.Releases.Upload(context.Background(), w.owner, f, strings.NewReader("image "+v)))
}

// signIn makes a token for a user.
func (w *world) signIn(email string) (token string, who fleet.Actor) {
	w.t.Helper()
	ctx := context.Background()
	token, _, err := w.domain.Accounts.SignIn(ctx, fleet.SignIn{Email: email, Password: password, Address: "127.0.0.1"})
	if err != nil {
		w.t.Fatal(err)
	}
	return token, must[fleet.Actor](w.t)(w.domain.Accounts.Actor(ctx, token))
}

// join makes a user and signs them in.
func (w *world) join(email string, role fleet.Role, groups ...string) (token string, who fleet.Actor) {
	w.t.Helper()
	must[fleet.Member](w.t)(w.domain.Accounts.AddUser(context.Background(), w.owner, email, password, role, groups))
	return w.signIn(email)
}

// handler serves all operations.
func (w *world) handler() http.Handler { return w.operations.Handler(w.tables()...) }

// tables are those of the packages around rest.
func (w *world) tables() [][]route.Table {
	o := w.operations
	return [][]route.Table{
		account.Tables(o), apihistory.Tables(o, w.past), apirehearsal.Tables(o, w.rehearsals), channels.Tables(o), exports.Tables(o), upload.Tables(o),
		updates.Tables(o, w.remaining), apijobs.Tables(o, w.jobs, w.domain.Filters), particle.Tables(o), nrf.Tables(o),
	}
}

// all are the tables of all operations.
func (w *world) all() []route.Table {
	return slices.Concat(append(w.tables(), w.operations.Tables())...)
}

// routes are all operations, as they are registered.
func (w *world) routes() (all []route.Route) {
	for _, table := range w.all() {
		all = append(all, table.Routes...)
	}
	return append(all, route.Route{ID: "Reference", Method: http.MethodGet, Path: "/v1/docs", Access: route.Public}) // package route adds it
}

// device is a device's record.
func (w *world) device(id fleet.DeviceID) fleet.Device {
	w.t.Helper()
	return must[fleet.Device](w.t)(w.store.Devices.Device(context.Background(), id.In(1)))
}

// edit changes a device's record without any rule.
func (w *world) edit(id fleet.DeviceID, change func(*fleet.Device)) {
	w.t.Helper()
	must[fleet.Device](w.t)(w.store.Devices.Edit(context.Background(), id.In(1), func(d *fleet.Device) error {
		change(d)
		return nil
	}))
}

// do sends a request as the owner and returns status and body.
func (w *world) do(method, path, contentType, body string) (int, string) {
	w.t.Helper()
	return w.send(w.request(method, path, contentType, body))
}

// request is a request of the owner.
func (w *world) request(method, path, contentType, body string) *http.Request {
	w.t.Helper()
	request, err := http.NewRequestWithContext(context.Background(), method, w.server.URL+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+w.token)
	if contentType != "" {
		request.Header.Set("Content-Type", contentType)
	}
	return request
}

func (w *world) send(request *http.Request) (int, string) {
	w.t.Helper()
	answer := must[*http.Response](w.t)(http.DefaultClient.Do(request))
	defer answer.Body.Close()
	data := must[[]byte](w.t)(io.ReadAll(answer.Body))
	return answer.StatusCode, strings.TrimSpace(string(data))
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

func version(s string) fleet.Version {
	v, err := fleet.ParseVersion(s)
	if err != nil {
		panic(err)
	}
	return v
}

func shownVersion(v string) api.Version { return api.Version{Version: version(v)} }
