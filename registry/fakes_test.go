package registry

import (
	"context"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/muster-iot/muster/audit"
	"github.com/muster-iot/muster/fleet"
)

// world is all stores in memory, and the registry over them.
type world struct {
	*Registry
	mu       sync.Mutex // guards everything below
	records  map[fleet.DeviceID]fleet.Device
	online   map[fleet.DeviceID]bool
	products map[fleet.ProductID]*fleet.Catalog
	teams    map[fleet.TeamID]fleet.Team
	users    map[fleet.UserID]fleet.User
	members  []fleet.Member
	tokens   map[string]fleet.Token
	groups   map[fleet.GroupID]fleet.Group
	alerts   map[string]fleet.Alert
	log      []fleet.AuditEntry
	rechecks []fleet.DeviceID
	kicked   []fleet.DeviceID
	commands []fleet.Command
	events   []fleet.Event
	invited  map[string]fleet.Invitation
}

// The world a test starts with: team 1 with product 1 (firmware 1 and 2), groups a (1), b
// (2) and other (3, of product 2), and devices "free", "in-a", "in-b", "in-ab", gateway
// "gw-a" in a, and "ble-b" in b, attached to it. Team 2 has product 2 and device "far".
func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{
		records: map[fleet.DeviceID]fleet.Device{}, online: map[fleet.DeviceID]bool{}, products: map[fleet.ProductID]*fleet.Catalog{},
		teams: map[fleet.TeamID]fleet.Team{}, users: map[fleet.UserID]fleet.User{}, tokens: map[string]fleet.Token{},
		groups: map[fleet.GroupID]fleet.Group{}, alerts: map[string]fleet.Alert{}, invited: map[string]fleet.Invitation{},
	}
	w.Registry = New(Config{
		HashMemory: 64, Devices: devicesFake{w}, Index: indexFake{w}, Catalogs: catalogsFake{w}, Teams: teamsFake{w}, Messages: messagesFake{w},
		Forecast: forecastFake{w}, Live: liveFake{w}, Audit: audit.New(messagesFake{w}, slog.New(slog.DiscardHandler)), Log: slog.New(slog.DiscardHandler),
	})
	w.teams[1], w.teams[2] = fleet.Team{ID: 1, Name: "Acme"}, fleet.Team{ID: 2, Name: "Other"}
	for id, slug := range map[fleet.ProductID]string{1: "lamp", 2: "lock"} {
		w.products[id] = &fleet.Catalog{
			Product: fleet.Product{ID: id, Team: fleet.TeamID(id), Slug: slug, Name: slug},
			Groups:  map[fleet.GroupID]fleet.Version{}, Firmware: map[string]fleet.Firmware{},
		}
		for _, v := range []string{"1", "2"} {
			w.products[id].Firmware[version(v).Key()] = fleet.Firmware{Product: id, Version: version(v)}
		}
	}
	w.groups[1] = fleet.Group{ID: 1, Team: 1, Name: "a", Color: "#000000"}
	w.groups[2] = fleet.Group{ID: 2, Team: 1, Name: "b", Color: "#000000", Product: 1}
	w.groups[3] = fleet.Group{ID: 3, Team: 1, Name: "other", Color: "#000000", Product: 9}
	for _, d := range []fleet.Device{
		{ID: "free"}, {ID: "in-a", Groups: []fleet.GroupID{1}}, {ID: "in-b", Groups: []fleet.GroupID{2}}, {ID: "in-ab", Groups: []fleet.GroupID{1, 2}},
		{ID: "gw-a", Kind: fleet.Gateway, Groups: []fleet.GroupID{1}}, {ID: "ble-b", Kind: fleet.BLE, Gateway: "gw-a", Groups: []fleet.GroupID{2}},
	} {
		d.Team, d.Product, d.Secret = 1, 1, fleet.Secret{7}
		w.records[d.ID] = d
	}
	w.records["far"] = fleet.Device{ID: "far", Team: 2, Product: 2}
	w.members = []fleet.Member{{Team: 1, User: 9, Email: "holder@example.com", Role: fleet.Viewer, Groups: []fleet.GroupID{2}}}
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

type devicesFake struct{ *world }

func (w devicesFake) Device(_ context.Context, id fleet.DeviceID) (fleet.Device, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	d, ok := w.records[id]
	if !ok {
		return d, fleet.Errorf(fleet.NotFound, "store: no %s", id)
	}
	return d, nil
}

func (w devicesFake) Edit(ctx context.Context, id fleet.DeviceID, change func(*fleet.Device) error) (fleet.Device, error) {
	d, err := w.Device(ctx, id)
	if err == nil {
		err = change(&d)
	}
	if err == nil {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.records[id] = d
	}
	return d, err
}

func (w devicesFake) CreateMany(_ context.Context, devices []*fleet.Device) []error {
	w.mu.Lock()
	defer w.mu.Unlock()
	errs := make([]error, len(devices))
	for i, d := range devices {
		if _, taken := w.records[d.ID]; taken {
			errs[i] = fleet.Errorf(fleet.Conflict, "taken")
			continue
		}
		w.records[d.ID] = *d
	}
	return errs
}

func (w devicesFake) Delete(_ context.Context, id fleet.DeviceID) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.records, id)
	return nil
}

type indexFake struct{ *world }

func (w indexFake) entry(d fleet.Device) fleet.IndexEntry {
	return fleet.IndexEntry{ID: d.ID, Product: d.Product, Kind: d.Kind, Gateway: d.Gateway, Groups: d.Groups, Online: w.online[d.ID], Update: d.Update.State}
}

func (w indexFake) Entry(id fleet.DeviceID) (fleet.IndexEntry, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	d, ok := w.records[id]
	if !ok {
		return fleet.IndexEntry{}, fleet.Errorf(fleet.NotFound, "index: no %s", id)
	}
	return w.entry(d), nil
}

func (w indexFake) Count(actor fleet.Actor, product fleet.ProductID, visit func(*fleet.IndexEntry, int)) error {
	w.mu.Lock()
	var entries []fleet.IndexEntry
	for _, d := range w.records {
		if gateway := w.records[d.Gateway]; (product == 0 || d.Product == product) && fleet.Sees(actor, &d, &gateway) {
			entries = append(entries, w.entry(d))
		}
	}
	w.mu.Unlock()
	for i := range entries {
		visit(&entries[i], 1)
	}
	return nil
}

func (w indexFake) Find(q fleet.DeviceQuery) (fleet.DevicePage, error) {
	page := fleet.DevicePage{}
	for id, d := range w.records {
		if d.Team == q.Actor.Team && (len(q.Groups) == 0 || d.InAnyOf(q.Groups)) && fleet.Sees(q.Actor, &d, nil) &&
			(q.Gateway == "" || d.Gateway == q.Gateway) && (len(q.Updates) == 0 || slices.Contains(q.Updates, d.Update.State)) {
			page.IDs = append(page.IDs, id)
		}
	}
	slices.Sort(page.IDs)
	page.Total = len(page.IDs)
	return page, nil
}

func (w indexFake) IDs(q fleet.DeviceQuery) ([]fleet.DeviceID, error) {
	page, err := w.Find(q)
	return slices.DeleteFunc(page.IDs, func(id fleet.DeviceID) bool { return id <= fleet.DeviceID(q.After) }), err
}

type catalogsFake struct{ *world }

func (w catalogsFake) Catalog(_ context.Context, id fleet.ProductID) (*fleet.Catalog, error) {
	c, ok := w.products[id]
	if !ok {
		return nil, fleet.Errorf(fleet.NotFound, "store: no product %s", id)
	}
	return c, nil
}

func (w catalogsFake) EditCatalog(ctx context.Context, id fleet.ProductID, change func(*fleet.Catalog) error) (*fleet.Catalog, error) {
	c, err := w.Catalog(ctx, id)
	if err != nil {
		return nil, err
	}
	edited := *c
	if err := change(&edited); err != nil {
		return nil, err
	}
	w.products[id] = &edited
	return &edited, nil
}

func (w catalogsFake) CreateProduct(_ context.Context, p fleet.Product) (fleet.Product, error) {
	p.ID = fleet.ProductID(len(w.products) + 1)
	w.products[p.ID] = &fleet.Catalog{Product: p}
	return p, nil
}

func (w catalogsFake) Products(_ context.Context, team fleet.TeamID) (products []fleet.Product, err error) {
	for _, c := range w.products {
		if c.Product.Team == team {
			products = append(products, c.Product)
		}
	}
	return products, nil
}

func (w catalogsFake) ProductBySlug(_ context.Context, slug string) (fleet.Product, error) {
	for _, c := range w.products {
		if c.Product.Slug == slug {
			return c.Product, nil
		}
	}
	return fleet.Product{}, fleet.Errorf(fleet.NotFound, "store: no slug %s", slug)
}

func (w catalogsFake) DeleteProduct(_ context.Context, id fleet.ProductID) error {
	delete(w.products, id)
	return nil
}

type messagesFake struct{ *world }

func (w messagesFake) List(_ context.Context, q fleet.MessageQuery) ([]fleet.Message, string, error) {
	return []fleet.Message{{Team: q.Team}}, "", nil
}

func (w messagesFake) Alerts(context.Context, fleet.TeamID, fleet.DeviceID, bool, string, int) ([]fleet.Alert, string, error) {
	var all []fleet.Alert
	for _, a := range w.alerts {
		all = append(all, a)
	}
	return all, "", nil
}

func (w messagesFake) Alert(_ context.Context, _ fleet.TeamID, id string) (fleet.Alert, error) {
	a, ok := w.alerts[id]
	if !ok {
		return a, fleet.Errorf(fleet.NotFound, "store: no alert")
	}
	return a, nil
}

func (w messagesFake) ArchiveAlert(_ context.Context, _ fleet.TeamID, id string, archived bool) error {
	a := w.alerts[id]
	a.Archived = archived
	w.alerts[id] = a
	return nil
}

func (w messagesFake) Queue(_ context.Context, c fleet.Command) (fleet.Command, error) {
	c.Number = uint32(len(w.commands) + 1)
	w.commands = append(w.commands, c)
	return c, nil
}

func (w messagesFake) Commands(context.Context, fleet.DeviceID) ([]fleet.Command, error) {
	return w.commands, nil
}

func (w messagesFake) Audit(_ context.Context, e fleet.AuditEntry) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.log = append(w.log, e)
	return nil
}

func (w messagesFake) AuditLog(_ context.Context, team fleet.TeamID, after string, limit int) (page []fleet.AuditEntry, next string, err error) {
	for i := len(w.log) - 1; i >= 0; i-- {
		e := w.log[i]
		if e.Cursor = strconv.Itoa(1000 - i); e.Team != team || e.Cursor <= after {
			continue
		}
		if len(page) == limit {
			return page, page[limit-1].Cursor, nil
		}
		page = append(page, e)
	}
	return page, "", nil
}

// forecastFake counts the devices whose entry changes.
type forecastFake struct{ *world }

func (w forecastFake) Preview(_ context.Context, _ fleet.Actor, _ fleet.ProductID, ids []fleet.DeviceID, change func(*fleet.IndexEntry)) (fleet.Impact, error) {
	out := fleet.Impact{Of: len(ids)}
	for _, id := range ids {
		before, err := indexFake(w).Entry(id)
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

// liveFake is told from several goroutines at once, as a batch does.
type liveFake struct{ *world }

func (w liveFake) Recheck(ids ...fleet.DeviceID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rechecks = append(w.rechecks, ids...)
}

func (w liveFake) Kick(id fleet.DeviceID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.kicked = append(w.kicked, id)
}

func (w liveFake) Announce(e fleet.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events = append(w.events, e)
}

func (w liveFake) Command(id fleet.DeviceID) { w.Recheck("command:" + id) }

// actions are the audit log's actions, in order.
func (w *world) actions() string {
	var words []string
	for _, e := range w.log {
		words = append(words, e.Action)
	}
	return strings.Join(words, " ")
}
