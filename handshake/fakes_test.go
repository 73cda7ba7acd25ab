package handshake

import (
	"context"
	"crypto/sha256"
	"slices"
	"sync"
	"testing"

	"github.com/muster-iot/muster/fleet"
)

// memory is a store of devices and one catalog.
type memory struct {
	mu       sync.Mutex
	devices  map[fleet.DeviceID]fleet.Device
	catalog  fleet.Catalog
	past     []fleet.Update
	loads    int
	saves    int
	catalogs int                 // CatalogAt calls
	onSave   func(*fleet.Device) // runs before a save, without the lock
}

const secret = "0123456789abcdef0123456789abcdef"

func newMemory(devices ...fleet.Device) *memory {
	m := &memory{devices: map[fleet.DeviceID]fleet.Device{}, catalog: fleet.Catalog{Product: fleet.Product{ID: 1, Slug: "widget"}, Revision: 1}}
	for _, d := range devices {
		d.Secret, d.Product, d.Revision = sha256.Sum256([]byte(secret)), 1, 1
		m.devices[d.ID] = d
	}
	return m
}

func (m *memory) Device(_ context.Context, id fleet.DeviceID) (fleet.Device, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.loads++
	d, ok := m.devices[id]
	if !ok {
		return fleet.Device{}, fleet.Errorf(fleet.NotFound, "no such device: %s", id)
	}
	return d, nil
}

func (m *memory) Namesakes(ctx context.Context, id fleet.DeviceID) (found []fleet.Device, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.loads++
	for _, d := range m.devices {
		if d.ID.String() == id.String() {
			found = append(found, d)
		}
	}
	slices.SortFunc(found, func(a, b fleet.Device) int { return a.Created.Compare(b.Created) })
	return found[:min(len(found), fleet.MostNamesakes)], nil
}

func (m *memory) Save(_ context.Context, d *fleet.Device, past ...fleet.Update) (uint64, error) {
	if m.onSave != nil {
		m.onSave(d)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.saves++
	old, ok := m.devices[d.ID]
	if !ok {
		return 0, fleet.Errorf(fleet.NotFound, "no such device: %s", d.ID)
	}
	if old.Revision != d.Revision {
		return 0, fleet.Errorf(fleet.Conflict, "device %s moved", d.ID)
	}
	d.Revision++
	m.devices[d.ID] = *d
	m.past = append(m.past, past...)
	return m.catalog.Revision, nil
}

func (m *memory) Catalog(context.Context, fleet.ProductID) (*fleet.Catalog, error) {
	return m.CatalogAt(context.Background(), 1, 0)
}

func (m *memory) CatalogAt(context.Context, fleet.ProductID, uint64) (*fleet.Catalog, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.catalogs++
	c := m.catalog
	return &c, nil
}

// edit changes a device behind the handshake's back.
func (m *memory) edit(id fleet.DeviceID, change func(*fleet.Device)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	d := m.devices[id]
	change(&d)
	d.Revision++
	m.devices[id] = d
}

func claim(id fleet.DeviceID) Claim {
	return Claim{ID: id, User: string(id), Secret: []byte(secret), Address: "192.0.2.1"}
}

func admit(t *testing.T, s *Service, id fleet.DeviceID) *Session {
	t.Helper()
	session, err := s.Admit(t.Context(), claim(id))
	if err != nil {
		t.Fatal(err)
	}
	return session
}

// nothing decides nothing.
func nothing(*fleet.Device, *fleet.Catalog) (int, []fleet.Update) { return 0, nil }
