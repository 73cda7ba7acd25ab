package ota

import (
	"context"
	"sync"
	"testing"

	"github.com/muster-iot/muster/fleet"
)

func TestThatAVersionRanIsNotedOnce(t *testing.T) {
	one, two := fleet.WholeVersion(1), fleet.WholeVersion(2)
	for name, row := range map[string]struct {
		device fleet.Device
		noted  bool
	}{
		"it runs it":                   {fleet.Device{Product: 1, Running: one}, true},
		"it runs other bytes":          {fleet.Device{Product: 1, Running: one, Differs: true}, false},
		"it runs what is not uploaded": {fleet.Device{Product: 1, Running: two}, false},
	} {
		t.Run(name, func(t *testing.T) {
			c := &counting{catalog: &fleet.Catalog{
				Product:  fleet.Product{ID: 1, Team: 1},
				Firmware: map[string]fleet.Firmware{one.Key(): {Product: 1, Version: one}},
			}}
			s := &Service{catalogs: c}
			first := c.catalog
			var fleetAtOnce sync.WaitGroup
			for range 50 {
				fleetAtOnce.Go(func() {
					if err := s.Ran(context.Background(), &row.device, first); err != nil {
						t.Error(err)
					}
				})
			}
			fleetAtOnce.Wait()
			now, _ := c.Catalog(context.Background(), 1)
			if got := !now.Firmware[one.Key()].Ran.IsZero(); got != row.noted {
				t.Errorf("noted: %t, want %t", got, row.noted)
			}
			written := c.written
			if err := s.Ran(context.Background(), &row.device, now); err != nil || c.written != written {
				t.Errorf("a later handshake: %v, written %d times more", err, c.written-written)
			}
			if row.noted && written != 1 {
				t.Errorf("written %d times, want once", written)
			}
		})
	}
}

// counting is one catalog, and how often it was written.
type counting struct {
	mu      sync.Mutex
	catalog *fleet.Catalog
	written int
}

func (c *counting) Catalog(context.Context, fleet.ProductID) (*fleet.Catalog, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.catalog, nil
}

func (c *counting) EditCatalog(_ context.Context, _ fleet.ProductID, edit func(*fleet.Catalog) error) (*fleet.Catalog, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	next := clone(c.catalog)
	if err := edit(next); err != nil {
		return nil, err
	}
	c.catalog = next
	c.written++
	return next, nil
}
