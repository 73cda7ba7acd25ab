package release

import (
	"context"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/muster-iot/muster/audit"
	"github.com/muster-iot/muster/event"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/ota"
	"github.com/muster-iot/muster/ota/image"
	"github.com/muster-iot/muster/ota/otatest"
	"github.com/muster-iot/muster/wire"
)

const (
	product = otatest.Product
	team    = otatest.Team
)

const (
	beta fleet.GroupID = iota + 1
	eu
	gadgets // of another product
)

var (
	admin  = fleet.Actor{User: 1, Email: "ada@example.com", Team: team, Role: fleet.Admin}
	editor = fleet.Actor{User: 2, Team: team, Role: fleet.Editor, Groups: []fleet.GroupID{beta}}
	viewer = fleet.Actor{User: 3, Team: team, Role: fleet.Viewer, Groups: []fleet.GroupID{beta}}
	other  = fleet.Actor{User: 4, Team: team + 1, Role: fleet.Owner}

	v = otatest.Version
)

// world is a fleet with the Service that operators use.
type world struct {
	*Service
	*otatest.Fleet
	updates *ota.Service
	changed [][]fleet.DeviceID // what Config.Changed was called with
	ready   []fleet.DeviceID   // those that ota's Config.Ready named
	events  []event.Event
	boots   uint64
}

// shop is a world with versions 1 to 3, groups, and devices in them.
func shop(t testing.TB, change ...func(*Config)) *world {
	w := empty(t, change...)
	for _, version := range []string{"1", "2", "3"} {
		w.AddFirmware(version, 10_000)
	}
	in := func(groups ...fleet.GroupID) func(*fleet.Device) { return func(d *fleet.Device) { d.Groups = groups } }
	w.Device("plain", "1")
	w.Device("beta", "1", in(beta))
	w.Device("eu", "1", in(eu))
	w.Device("both", "1", in(beta, eu))
	w.Device("dev", "1", in(beta), func(d *fleet.Device) { d.Development = true })
	w.Device("locked", "1", in(beta), func(d *fleet.Device) { d.Lock = v("1") })
	w.Device("notnow", "1", in(beta), func(d *fleet.Device) { d.UpdatesOn = false })
	w.Device("done", "2", in(beta))
	return w
}

// empty is a world with groups only.
func empty(t testing.TB, change ...func(*Config)) *world {
	t.Helper()
	w := &world{Fleet: otatest.New(t)}
	for _, g := range []fleet.Group{{Product: product, Name: "beta"}, {Name: "eu"}, {Product: product + 1, Name: "gadgets"}} {
		g.Team = team
		if _, err := w.Store.Teams.CreateGroup(t.Context(), g); err != nil {
			t.Fatal(err)
		}
	}
	w.updates = ota.New(ota.Config{
		MaxUpdates: 1000, MaxBehind: 4, MaxAttempts: 3, CoolDown: []time.Duration{5 * time.Minute},
		Ready: func(id fleet.DeviceID) { w.ready = append(w.ready, id) },
	}, w.Store.Devices, w.Store.Catalogs, image.NewChunker(w.Images, 32<<20, 0))
	config := Config{
		MaxImage: 64 << 20,
		Devices:  w.Store.Devices, Catalogs: w.Store.Catalogs, Teams: w.Store.Teams, Index: w.Store.Index,
		Images: w.Images, OTA: w.updates, Audit: audit.New(w.Store.Messages, slog.New(slog.DiscardHandler)),
		Announce: func(e event.Event) { w.events = append(w.events, e) },
		Changed:  func(_ fleet.ProductID, now []fleet.DeviceID) { w.changed = append(w.changed, now) },
	}
	for _, c := range change {
		c(&config)
	}
	w.Service = New(config)
	return w
}

// audited is the actions in the audit log, the oldest first.
func (w *world) audited() (actions []string) {
	w.T.Helper()
	page, _, err := w.audit.Page(context.Background(), admin, fleet.AuditQuery{Limit: 100})
	if err != nil {
		w.T.Fatal(err)
	}
	for _, e := range slices.Backward(page) {
		actions = append(actions, e.Action+" "+e.Object)
	}
	return actions
}

func groups(ids ...fleet.GroupID) *[]fleet.GroupID { return &ids }

func flag(b bool) *bool { return &b }

// radio is a device that is online. It keeps what was sent to it.
type radio struct {
	w      *world
	hello  wire.Hello
	id     fleet.DeviceID
	offers []wire.Offer
	stops  []wire.Stop
	queued uint32 // chunks that are sent
	kept   uint32 // chunks that are not, for now
}

// connect starts a session of id that runs version.
func (w *world) connect(id fleet.DeviceID, version string) *radio {
	w.T.Helper()
	w.boots++
	r := &radio{w: w, id: id.In(team), hello: wire.NewHello(v(version))}
	r.hello.Boot = w.boots
	w.Edit(id, func(d *fleet.Device) { d.Session++ })
	r.decide(ota.AtHello)
	return r
}

// decide has the device evaluated, as package cloud does.
func (r *radio) decide(at ota.Occasion) ota.Plan {
	r.w.T.Helper()
	d := r.w.Record(r.id)
	p := r.w.updates.Decide(&d, r.w.Catalog(), r.hello, at)
	d.Boot = r.hello.Boot
	r.w.Save(&d, p.Ended...)
	if err := r.w.updates.Start(p, r); err != nil {
		r.w.T.Fatal(err)
	}
	return p
}

func (r *radio) report(state wire.ReportState, reason fleet.ReasonCode) {
	r.w.T.Helper()
	o := r.offers[len(r.offers)-1]
	p := wire.Report{State: state, Image: o.Image(), Update: o.Update, Reason: reason}
	if _, err := r.w.updates.Report(context.Background(), r.id, r.w.Record(r.id).Session, p); err != nil {
		r.w.T.Fatal(err)
	}
}

// Send implements ota.Link.
func (r *radio) Send(k wire.TopicKind, payload []byte) (err error) {
	if k == wire.TopicOffer {
		var o wire.Offer
		o, err = wire.DecodeOffer(payload)
		r.offers = append(r.offers, o)
		return err
	}
	s, err := wire.DecodeStop(payload)
	r.stops = append(r.stops, s)
	return err
}

// SendChunks implements ota.Link.
func (r *radio) SendChunks(_ wire.ChunkSource, _, count uint32) { r.queued = count }

// KeepChunks implements ota.Link.
func (r *radio) KeepChunks(_ wire.ChunkSource, _, count uint32) { r.queued, r.kept = 0, r.queued+count }

// ResumeChunks implements ota.Link.
func (r *radio) ResumeChunks() { r.queued, r.kept = r.kept, 0 }

// StopChunks implements ota.Link.
func (r *radio) StopChunks() { r.queued = 0 }
