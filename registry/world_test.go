package registry

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/muster-iot/muster/audit"
	"github.com/muster-iot/muster/event"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/index"
	"github.com/muster-iot/muster/store"
	"github.com/muster-iot/muster/store/storetest"
)

// world is a Registry on an ephemeral store.
type world struct {
	*Registry
	t     testing.TB
	store *store.Store
	live  *connected
}

// newWorld returns a world with team 1, its product 1 (firmware 1 and 2) and its groups a
// (1), b (2, of product 1) and other (3, of product 9). Its devices are "free", "in-a",
// "in-b", "in-ab", gateway "gw-a" in a, and BLE device "ble-b" in b, attached to it. A viewer
// holds b. Team 2 has product 2 and device "far".
func newWorld(t testing.TB) *world {
	t.Helper()
	ctx, quiet := t.Context(), slog.New(slog.DiscardHandler)
	s := storetest.Open(t)
	w := &world{t: t, store: s, live: &connected{}}
	w.Registry = New(Config{
		Devices: s.Devices, Index: s.Index, Catalogs: s.Catalogs, Teams: s.Teams, Messages: s.Messages, Journal: s.Journal,
		Audit: audit.New(s.Messages, quiet), Forecast: forecast{s.Index}, Live: w.live, Log: quiet,
	})
	owner := must[fleet.User](t)(s.Teams.CreateUser(ctx, fleet.User{Email: "owner@example.com"}))
	for _, name := range []string{"lamp", "lock"} {
		team := must[fleet.Team](t)(s.Teams.CreateTeam(ctx, fleet.Team{Name: "of " + name}, fleet.Member{User: owner.ID, Email: owner.Email}))
		p := must[fleet.Product](t)(s.Catalogs.CreateProduct(ctx, fleet.Product{Team: team.ID, Slug: name, Name: name}))
		w.catalog(p.ID, func(c *fleet.Catalog) {
			for _, v := range []string{"1", "2"} {
				c.Firmware[version(v).Key()] = fleet.Firmware{Product: p.ID, Version: version(v)}
			}
		})
	}
	for _, g := range []fleet.Group{{Name: "a"}, {Name: "b", Product: 1}, {Name: "other", Product: 9}} {
		g.Team, g.Color = 1, "#000000"
		must[fleet.Group](t)(s.Teams.CreateGroup(ctx, g))
	}
	holder := must[fleet.User](t)(s.Teams.CreateUser(ctx, fleet.User{Email: "holder@example.com"}))
	if err := s.Teams.AddMember(ctx, fleet.Member{Team: 1, User: holder.ID, Email: holder.Email, Role: fleet.Viewer, Groups: []fleet.GroupID{2}}); err != nil {
		t.Fatal(err)
	}
	w.create(
		fleet.Device{ID: "free"}, fleet.Device{ID: "in-a", Groups: []fleet.GroupID{1}}, fleet.Device{ID: "in-b", Groups: []fleet.GroupID{2}},
		fleet.Device{ID: "in-ab", Groups: []fleet.GroupID{1, 2}}, fleet.Device{ID: "gw-a", Kind: fleet.Gateway, Groups: []fleet.GroupID{1}},
		fleet.Device{ID: "ble-b", Kind: fleet.BLE, Gateway: "gw-a", Groups: []fleet.GroupID{2}}, fleet.Device{ID: "far", Team: 2, Product: 2},
	)
	return w
}

func actor(role fleet.Role, groups ...fleet.GroupID) fleet.Actor {
	return fleet.Actor{User: 5, Email: "me@example.com", Team: 1, Role: role, Groups: groups}
}

func version(s string) fleet.Version {
	if s == "" {
		return fleet.Version{}
	}
	v, err := fleet.ParseVersion(s)
	if err != nil {
		panic(err)
	}
	return v
}

func ptr[T any](v T) *T { return &v }

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

// create creates devices, of team 1 and product 1 unless they say otherwise.
func (w *world) create(devices ...fleet.Device) {
	w.t.Helper()
	all := make([]*fleet.Device, len(devices))
	for i := range devices {
		d := &devices[i]
		if d.Team == 0 {
			d.Team, d.Product, d.Secret = 1, 1, fleet.Secret{7}
		}
		if d.Product == 0 {
			d.Product = 1
		}
		all[i] = d
	}
	for _, err := range w.store.Devices.CreateMany(w.t.Context(), all) {
		if err != nil {
			w.t.Fatal(err)
		}
	}
}

// ours returns the device with an id, of team 1 unless it names another.
func ours(id fleet.DeviceID) fleet.DeviceID {
	if id.Team() == 0 {
		return id.In(1)
	}
	return id
}

// device returns a record as the store has it.
func (w *world) device(id fleet.DeviceID) fleet.Device {
	w.t.Helper()
	return must[fleet.Device](w.t)(w.store.Devices.Device(w.t.Context(), ours(id)))
}

// exists reports whether a device has a record.
func (w *world) exists(id fleet.DeviceID) bool {
	_, err := w.store.Devices.Device(w.t.Context(), ours(id))
	return err == nil
}

// change changes a record in the store.
func (w *world) change(id fleet.DeviceID, change func(*fleet.Device)) {
	w.t.Helper()
	must[fleet.Device](w.t)(w.store.Devices.Edit(w.t.Context(), ours(id), func(d *fleet.Device) error {
		change(d)
		return nil
	}))
}

func (w *world) remove(ids ...fleet.DeviceID) {
	w.t.Helper()
	for _, id := range ids {
		if err := w.store.Devices.Delete(w.t.Context(), ours(id)); err != nil {
			w.t.Fatal(err)
		}
	}
}

// devicesOf returns the records of a team's devices.
func (w *world) devicesOf(team fleet.TeamID) (devices []fleet.Device) {
	w.t.Helper()
	for _, id := range must[[]fleet.DeviceID](w.t)(w.index.IDs(fleet.DeviceQuery{Actor: fleet.Actor{Team: team, Role: fleet.Owner}})) {
		devices = append(devices, w.device(id))
	}
	return devices
}

func (w *world) catalog(id fleet.ProductID, change func(*fleet.Catalog)) {
	w.t.Helper()
	must[*fleet.Catalog](w.t)(w.store.Catalogs.EditCatalog(w.t.Context(), id, func(c *fleet.Catalog) error {
		change(c)
		return nil
	}))
}

// groups returns the groups of team 1 by name.
func (w *world) groups() map[string]fleet.Group {
	w.t.Helper()
	byName := map[string]fleet.Group{}
	for _, g := range must[[]fleet.Group](w.t)(w.store.Teams.Groups(w.t.Context(), 1)) {
		byName[g.Name] = g
	}
	return byName
}

// log returns the newest entries of team 1's audit log, oldest first.
func (w *world) log() []fleet.AuditEntry {
	w.t.Helper()
	entries, _, err := w.store.Messages.AuditLog(w.t.Context(), 1, "", 100)
	if err != nil {
		w.t.Fatal(err)
	}
	slices.Reverse(entries)
	return entries
}

// actions returns the actions in team 1's audit log, oldest first.
func (w *world) actions() string {
	var words []string
	for _, e := range w.log() {
		words = append(words, e.Action)
	}
	return strings.Join(words, " ")
}

// journal opens records in the journal, as a process does that is killed before it closes
// them.
func (w *world) journal(records ...string) {
	w.t.Helper()
	for _, record := range records {
		must[string](w.t)(w.store.Journal.Open(w.t.Context(), record))
	}
}

// unfinished returns the records in the journal.
func (w *world) unfinished() map[string]string {
	w.t.Helper()
	return must[map[string]string](w.t)(w.store.Journal.Unfinished(w.t.Context()))
}

// forecast counts the devices whose entry a change changes.
type forecast struct{ index *index.Index }

func (f forecast) Preview(_ context.Context, _ fleet.Actor, _ fleet.ProductID, ids []fleet.DeviceID, change func(*fleet.IndexEntry)) (fleet.Impact, error) {
	out := fleet.Impact{Of: len(ids)}
	for _, id := range ids {
		before, err := f.index.Entry(id)
		if err != nil {
			return out, err
		}
		after := before
		change(&after)
		if !slices.Equal(before.Groups, after.Groups) || before.Lock != after.Lock || before.Development != after.Development {
			out.Total++
		}
	}
	return out, nil
}

// connected is a Live that notes what it is called with.
type connected struct {
	mu       sync.Mutex
	rechecks []fleet.DeviceID // guarded by mu
	kicked   []fleet.DeviceID // guarded by mu
	commands []fleet.DeviceID // guarded by mu
	events   []event.Event    // guarded by mu
}

func (c *connected) Recheck(ids ...fleet.DeviceID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rechecks = append(c.rechecks, ids...)
}

func (c *connected) Kick(id fleet.DeviceID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.kicked = append(c.kicked, id)
}

func (c *connected) Heard(fleet.DeviceID) time.Time { return time.Time{} }

func (c *connected) Command(id fleet.DeviceID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.commands = append(c.commands, id)
}

func (c *connected) Announce(e event.Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.events = append(c.events, e)
}
