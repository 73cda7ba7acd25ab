package roaming

import (
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/muster-iot/muster/audit"
	"github.com/muster-iot/muster/event"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/store"
	"github.com/muster-iot/muster/store/storetest"
)

// world is a Roaming on an ephemeral store.
type world struct {
	*Roaming
	t     testing.TB
	store *store.Store
	live  *connected
}

// withGateways returns a world with teams 1 and 2, their products 1 and 2, and groups a (1) and
// b (2) of team 1. Its devices are "free"; gateways "gw-a", in a, and "gw-b"; and BLE devices
// "ble-b", in b and attached to gw-a, "loose", and "far-ble" of team 2. Devices of product 1
// roam in the whole team, and gateways register up to two.
func withGateways(t testing.TB) *world {
	t.Helper()
	ctx, quiet := t.Context(), slog.New(slog.DiscardHandler)
	s := storetest.InMemory(t)
	w := &world{t: t, store: s, live: &connected{}}
	w.Roaming = New(Config{
		Devices: s.Devices, Index: s.Index, Catalogs: s.Catalogs, Messages: s.Messages, Audit: audit.New(s.Messages, quiet), Live: w.live, Log: quiet,
	})
	owner := must[fleet.User](t)(s.Teams.CreateUser(ctx, fleet.User{Email: "owner@example.com"}))
	for _, name := range []string{"lamp", "lock"} {
		team := must[fleet.Team](t)(s.Teams.CreateTeam(ctx, fleet.Team{Name: "of " + name}, fleet.Member{User: owner.ID, Email: owner.Email}))
		must[fleet.Product](t)(s.Catalogs.CreateProduct(ctx, fleet.Product{Team: team.ID, Slug: name, Name: name}))
	}
	for _, name := range []string{"a", "b"} {
		must[fleet.Group](t)(s.Teams.CreateGroup(ctx, fleet.Group{Team: 1, Name: name, Color: "#000000"}))
	}
	w.create(
		fleet.Device{ID: "free"}, fleet.Device{ID: "gw-a", Kind: fleet.Gateway, Groups: []fleet.GroupID{1}}, fleet.Device{ID: "gw-b", Kind: fleet.Gateway},
		fleet.Device{ID: "ble-b", Kind: fleet.BLE, Gateway: "gw-a", Groups: []fleet.GroupID{2}}, fleet.Device{ID: "loose", Kind: fleet.BLE},
		fleet.Device{ID: "far-ble", Team: 2, Product: 2, Kind: fleet.BLE},
	)
	w.product(func(p *fleet.Product) { p.Roaming, p.AutoRegister = fleet.RoamingTeam, 2 })
	return w
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

// create creates devices, of team 1 and product 1 unless they say otherwise.
func (w *world) create(devices ...fleet.Device) {
	w.t.Helper()
	all := make([]*fleet.Device, len(devices))
	for i := range devices {
		if all[i] = &devices[i]; all[i].Team == 0 {
			all[i].Team, all[i].Product = 1, 1
		}
	}
	for _, err := range w.store.Devices.CreateMany(w.t.Context(), all) {
		if err != nil {
			w.t.Fatal(err)
		}
	}
}

// product changes product 1.
func (w *world) product(change func(*fleet.Product)) {
	w.t.Helper()
	must[*fleet.Catalog](w.t)(w.store.Catalogs.EditCatalog(w.t.Context(), 1, func(c *fleet.Catalog) error {
		change(&c.Product)
		return nil
	}))
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

// connected is a Live that notes what it is called with.
type connected struct {
	mu     sync.Mutex
	kicked []fleet.DeviceID // guarded by mu
	events []event.Event    // guarded by mu
}

func (c *connected) Kick(id fleet.DeviceID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.kicked = append(c.kicked, id)
}

func (c *connected) Announce(e event.Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.events = append(c.events, e)
}
