package job

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/muster-iot/muster/audit"
	"github.com/muster-iot/muster/event"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/ota"
	"github.com/muster-iot/muster/ota/image"
	"github.com/muster-iot/muster/ota/otatest"
	"github.com/muster-iot/muster/ota/release"
	"github.com/muster-iot/muster/registry"
	"github.com/muster-iot/muster/store/jobs"
)

const (
	product = otatest.Product
	team    = otatest.Team
)

const (
	beta fleet.GroupID = iota + 1
	old
)

// world is a Service on a product with versions 1 and 2 and the groups beta and old. The user 1 owns
// the team, 2 is an editor with beta.
type world struct {
	*Service
	*otatest.Fleet
	config Config
	events []event.Event
}

var (
	owner  = fleet.Actor{User: 1, Email: "owner@example.com", Team: team, Role: fleet.Owner}
	editor = fleet.Actor{User: 2, Email: "ed@example.com", Team: team, Role: fleet.Editor, Groups: []fleet.GroupID{beta}}
)

func newWorld(t testing.TB) *world {
	t.Helper()
	w, ctx, quiet := &world{Fleet: otatest.New(t)}, t.Context(), slog.New(slog.DiscardHandler)
	for _, name := range []string{"beta", "old"} {
		must[fleet.Group](t)(w.Store.Teams.CreateGroup(ctx, fleet.Group{Team: team, Name: name}))
	}
	ed := must[fleet.User](t)(w.Store.Teams.CreateUser(ctx, fleet.User{Email: editor.Email}))
	if err := w.Store.Teams.AddMember(ctx, fleet.Member{Team: team, User: ed.ID, Email: ed.Email, Role: fleet.Editor, Groups: editor.Groups}); err != nil {
		t.Fatal(err)
	}
	w.AddFirmware("1", 1000)
	w.AddFirmware("2", 1000)
	s, log := w.Store, audit.New(w.Store.Messages, quiet)
	releases := release.New(release.Config{
		Devices: s.Devices, Catalogs: s.Catalogs, Teams: s.Teams, Index: s.Index, Images: w.Images, Audit: log,
		OTA: ota.New(ota.Config{MaxUpdates: 100, MaxAttempts: 3}, s.Devices, s.Catalogs, image.NewChunker(w.Images, 0, 0)),
	})
	w.config = Config{
		Jobs: s.Jobs, Teams: s.Teams, Releases: releases, Audit: log, Clock: s.Clock, Log: quiet,
		Registry: registry.New(registry.Config{
			Devices: s.Devices, Index: s.Index, Catalogs: s.Catalogs, Teams: s.Teams, Messages: s.Messages, Journal: s.Journal,
			Audit: log, Forecast: releases, Live: idle{}, Log: quiet, Clock: s.Clock,
		}),
		Announce: func(e event.Event) { w.events = append(w.events, e) },
	}
	w.Service = New(w.config)
	return w
}

// idle is a server without connections.
type idle struct{}

func (idle) Recheck(...fleet.DeviceID)      {}
func (idle) Kick(fleet.DeviceID)            {}
func (idle) Command(fleet.DeviceID)         {}
func (idle) Announce(event.Event)           {}
func (idle) Heard(fleet.DeviceID) time.Time { return time.Time{} }

// devices creates n devices in groups.
func (w *world) devices(n int, change ...func(*fleet.Device)) (ids []fleet.DeviceID) {
	w.T.Helper()
	all := make([]*fleet.Device, n)
	for i := range all {
		d := &fleet.Device{ID: fleet.DeviceID(fmt.Sprintf("d-%05d", i)).In(team), Team: team, Product: product, Running: otatest.Version("1"), UpdatesOn: true, Secret: fleet.Secret{1}}
		for _, c := range change {
			c(d)
		}
		all[i], ids = d, append(ids, d.ID)
	}
	for _, err := range w.Store.Devices.CreateMany(w.T.Context(), all) {
		if err != nil {
			w.T.Fatal(err)
		}
	}
	return ids
}

func in(groups ...fleet.GroupID) func(*fleet.Device) {
	return func(d *fleet.Device) { d.Groups = groups }
}

// steps makes n steps of the queue, or all that are left if n is 0.
func (w *world) steps(n int) {
	w.T.Helper()
	for i := 0; n == 0 || i < n; i++ {
		r := w.next()
		if r == nil {
			return
		}
		over, err := w.step(w.T.Context(), r)
		if err != nil {
			w.T.Fatal(err)
		}
		if over {
			w.leave(r)
		}
	}
}

// killed replaces the Service by that of a next process.
func (w *world) killed() {
	w.T.Helper()
	w.Service = New(w.config)
	if err := w.Resume(w.T.Context()); err != nil {
		w.T.Fatal(err)
	}
}

func (w *world) job(number uint32) Job {
	w.T.Helper()
	return must[Job](w.T)(w.jobs.Job(w.T.Context(), team, number))
}

// audited returns the entries of the audit log, newest first.
func (w *world) audited() []fleet.AuditEntry {
	w.T.Helper()
	entries, _, err := w.Store.Messages.AuditLog(w.T.Context(), team, "", 100)
	if err != nil {
		w.T.Fatal(err)
	}
	return entries
}

// nothingLeft fails the test if the store has something that only a job under way requires.
func (w *world) nothingLeft(number uint32) {
	w.T.Helper()
	if _, err := w.jobs.Devices(w.T.Context(), team, number, 0); fleet.KindOf(err) != fleet.NotFound {
		w.T.Errorf("job %d is over and its devices are still stored: %v", number, err)
	}
	if left := must[[]jobs.Entry](w.T)(w.jobs.Entered(context.WithoutCancel(w.T.Context()))); len(left) > 0 {
		w.T.Errorf("the journal has %v", left)
	}
}

func must[T any](t testing.TB) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}
