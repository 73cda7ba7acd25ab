package ota

import (
	"bytes"
	"context"
	"crypto/sha256"
	"io"
	"maps"
	"slices"
	"sync"
	"testing"

	"github.com/muster-iot/muster/fleet"
)

const (
	team    fleet.TeamID    = 1
	product fleet.ProductID = 1
)

// world is the store, the image store and the conductor of these tests in one.
type world struct {
	*Service
	t testing.TB

	mu      sync.Mutex
	devices map[fleet.DeviceID]fleet.Device
	online  map[fleet.DeviceID]bool
	history map[fleet.DeviceID][]fleet.Update
	catalog *fleet.Catalog
	groups  []fleet.Group
	bytes   map[fleet.Digest][]byte
	opened  int
	saves   int
	boots   uint64
	failing error // of Save, when set
	unbuilt bool  // the index is

	afterPut func() // runs when an image was put, before it is in the catalog
	ready    []fleet.DeviceID
	changed  [][]fleet.DeviceID
}

func newWorld(t testing.TB, cfg Config) *world {
	w := &world{
		t: t, devices: map[fleet.DeviceID]fleet.Device{}, online: map[fleet.DeviceID]bool{},
		history: map[fleet.DeviceID][]fleet.Update{}, bytes: map[fleet.Digest][]byte{},
		catalog: &fleet.Catalog{
			Product: fleet.Product{ID: product, Team: team, Slug: "widget"}, Revision: 1,
			Groups: map[fleet.GroupID]fleet.Version{}, Firmware: map[string]fleet.Firmware{},
		},
	}
	cfg.Ready = func(id fleet.DeviceID) { w.ready = append(w.ready, id) }
	cfg.Changed = func(_ fleet.ProductID, now []fleet.DeviceID) { w.changed = append(w.changed, now) }
	w.Service = New(cfg, w, w, (*worldIndex)(w), w, (*worldImages)(w))
	return w
}

func v(s string) fleet.Version {
	if s == "" {
		return fleet.Version{}
	}
	return fleet.ReportedVersion(s)
}

// firmware uploads an image of size bytes.
func (w *world) firmware(version string, size int) fleet.Firmware {
	w.t.Helper()
	data := make([]byte, size)
	for i := range data {
		data[i] = byte(i*7 + i>>8 + len(version) + int(version[0]))
	}
	f := fleet.Firmware{Product: product, Version: v(version), Size: int64(size), Digest: sha256.Sum256(data)}
	w.bytes[f.Digest] = data
	w.catalog.Firmware[f.Version.Key()] = f
	return f
}

// device adds one that ran version when it was last heard of.
func (w *world) device(id fleet.DeviceID, running string, change ...func(*fleet.Device)) {
	d := fleet.Device{ID: id, Team: team, Product: product, Running: v(running), UpdatesOn: true, Revision: 1}
	for _, c := range change {
		c(&d)
	}
	w.devices[id] = d
}

func (w *world) Device(_ context.Context, id fleet.DeviceID) (fleet.Device, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	d, ok := w.devices[id]
	if !ok {
		return fleet.Device{}, fleet.Errorf(fleet.NotFound, "no such device: %s", id)
	}
	return d, nil
}

func (w *world) Save(_ context.Context, d *fleet.Device, past ...fleet.Update) (uint64, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.failing != nil {
		return 0, w.failing
	}
	if w.devices[d.ID].Revision != d.Revision {
		return 0, fleet.Errorf(fleet.Conflict, "moved")
	}
	d.Revision++
	w.saves++
	w.devices[d.ID] = *d
	for _, u := range past {
		w.history[d.ID] = append([]fleet.Update{u}, w.history[d.ID]...)
	}
	return w.catalog.Revision, nil
}

func (w *world) History(_ context.Context, id fleet.DeviceID) ([]fleet.Update, error) {
	return slices.Clone(w.history[id]), nil
}

func (w *world) Catalog(_ context.Context, id fleet.ProductID) (*fleet.Catalog, error) {
	if id != product {
		return nil, fleet.Errorf(fleet.NotFound, "no such product")
	}
	return w.catalog, nil
}

func (w *world) EditCatalog(_ context.Context, _ fleet.ProductID, edit func(*fleet.Catalog) error) (*fleet.Catalog, error) {
	c := *w.catalog
	c.Groups, c.Firmware = maps.Clone(c.Groups), maps.Clone(c.Firmware)
	if err := edit(&c); err != nil {
		return nil, err
	}
	c.Revision++
	w.catalog = &c
	return &c, nil
}

func (w *world) Groups(context.Context, fleet.TeamID) ([]fleet.Group, error) { return w.groups, nil }

type worldIndex world

func (x *worldIndex) Count(actor fleet.Actor, _ fleet.ProductID, visit func(*fleet.IndexEntry, int)) error {
	if x.unbuilt {
		return fleet.Errorf(fleet.Unavailable, "the index is being built")
	}
	for _, id := range slices.Sorted(maps.Keys(x.devices)) {
		d := x.devices[id]
		if gateway := x.devices[d.Gateway]; fleet.Sees(actor, &d, &gateway) {
			e, _ := x.Entry(id)
			visit(&e, 1)
		}
	}
	return nil
}

func (x *worldIndex) IDs(q fleet.DeviceQuery) (ids []fleet.DeviceID, err error) {
	err = x.Count(q.Actor, q.Product, func(e *fleet.IndexEntry, _ int) {
		if string(e.ID) > q.After && (q.Online == nil || e.Online) && (q.Limit == 0 || len(ids) < q.Limit) &&
			(q.Updates == nil || slices.Contains(q.Updates, e.Update)) && (q.UpdateTo.IsZero() || q.UpdateTo.Equal(e.UpdateTo)) {
			ids = append(ids, e.ID)
		}
	})
	return ids, err
}

func (x *worldIndex) Entry(id fleet.DeviceID) (fleet.IndexEntry, error) {
	d, ok := x.devices[id]
	if !ok {
		return fleet.IndexEntry{}, fleet.Errorf(fleet.NotFound, "no such device: %s", id)
	}
	return fleet.IndexEntry{
		ID: id, Product: d.Product, Kind: d.Kind, Gateway: d.Gateway, Groups: d.Groups, Running: d.Running, Lock: d.Lock,
		Development: d.Development, UpdatesOn: d.UpdatesOn, Force: d.Force, Disabled: d.Disabled, Online: x.online[id],
		Update: d.Update.State, UpdateTo: d.Update.To, Reason: d.Update.Reason, Held: d.Attempts.Held, Spent: d.Attempts.Spent, AttemptsFor: d.Attempts.Target,
	}, nil
}

type worldImages world

func (x *worldImages) Put(_ context.Context, _ fleet.ProductID, r io.Reader, limit int64) (fleet.Digest, int64, error) {
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	switch {
	case err != nil:
		return fleet.Digest{}, 0, err
	case len(data) == 0:
		return fleet.Digest{}, 0, fleet.Errorf(fleet.Invalid, "empty")
	case int64(len(data)) > limit:
		return fleet.Digest{}, 0, fleet.Errorf(fleet.TooLarge, "too large")
	}
	digest := fleet.Digest(sha256.Sum256(data))
	x.bytes[digest] = data
	if x.afterPut != nil {
		x.afterPut()
	}
	return digest, int64(len(data)), nil
}

type worldImage struct{ *bytes.Reader }

func (worldImage) Close() error { return nil }

func (x *worldImages) Open(_ fleet.ProductID, digest fleet.Digest) (Image, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.opened++
	data, ok := x.bytes[digest]
	if !ok {
		return nil, fleet.Errorf(fleet.NotFound, "no image")
	}
	return worldImage{bytes.NewReader(data)}, nil
}

func (x *worldImages) Delete(_ fleet.ProductID, digest fleet.Digest) error {
	delete(x.bytes, digest)
	return nil
}
