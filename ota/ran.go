package ota

import (
	"context"
	"errors"
	"time"

	"github.com/muster-iot/muster/fleet"
)

// errNoted means that another handshake has recorded it in the meantime.
var errNoted = errors.New("noted already")

// Ran records in the catalog that a version runs for the first time, if d, as a handshake
// has just saved it, runs it with the bytes that were uploaded. For every later handshake it
// only looks at c. Errors: fleet.Unavailable; the next handshake with that version tries
// again.
func (s *Service) Ran(ctx context.Context, d *fleet.Device, c *fleet.Catalog) error {
	f, ok := c.Find(d.Running)
	if !ok || !f.Ran.IsZero() || d.Differs {
		return nil
	}
	key := firstRun{d.Product, f.Version.Key()}
	if _, taken := s.firstRuns.LoadOrStore(key, true); taken { // a whole fleet may come at once
		return nil
	}
	defer s.firstRuns.Delete(key)
	_, err := s.catalogs.EditCatalog(ctx, d.Product, func(c *fleet.Catalog) error {
		f, ok := c.Find(d.Running)
		if !ok || !f.Ran.IsZero() {
			return errNoted
		}
		f.Ran = time.Now().UTC()
		c.Firmware[f.Version.Key()] = f
		return nil
	})
	if errors.Is(err, errNoted) || errors.Is(err, fleet.NotFound) {
		return nil
	}
	return err
}

// firstRun is a version whose first run is being recorded.
type firstRun struct {
	product fleet.ProductID
	version string // its key
}
