package handshake

import (
	"context"
	"errors"

	"github.com/muster-iot/muster/fleet"
)

// maxTries bounds how often one handshake is decided because the device or its catalog keeps
// changing. It is low: the device retries too.
const maxTries = 8

// change changes a record and returns the updates that ended and whether there is anything to
// save. claimed is false until a Hello of the session has been saved.
type change func(d *fleet.Device, c *fleet.Catalog, claimed bool) (ended []fleet.Update, changed bool)

// save applies change to a copy of the loaded record and saves it, until neither the record nor its
// catalog changed in between. What was loaded is usually current: then this takes one round trip. Other
// changes of records are saved by document.UntilSaved, which reads first and does not follow catalogs.
func (s *Service) save(ctx context.Context, session *Session, loaded *fleet.Device, change change) (saved Saved, err error) {
	generation := session.Generation()
	if saved.Catalog, err = s.catalogs.Catalog(ctx, loaded.Product); err != nil {
		return Saved{}, err
	}
	for range maxTries {
		if err := session.mayWrite(loaded, generation); err != nil {
			return Saved{}, err
		}
		d := new(*loaded)
		lost := generation != 0 && d.Session < generation
		if lost { // its claim, with what a fail-over of Redis has lost
			d.Session = generation
			session.hold(d, s.node)
		}
		ended, changed := change(d, saved.Catalog, generation != 0)
		changed = changed || lost
		if !changed {
			saved.Device = d
			return saved, nil
		}
		newest, err := s.devices.Save(ctx, d, ended...)
		switch {
		case err == nil:
			saved.Device, saved.Ended = d, append(saved.Ended, ended...)
			if newest <= saved.Catalog.Revision {
				return saved, nil
			}
			// It was decided by an older catalog: decide again, on the record as saved.
			generation, loaded = d.Session, d
		case errors.Is(err, fleet.Conflict):
			if loaded, err = s.load(ctx, session.ID()); err != nil {
				return Saved{}, err
			}
		default:
			return Saved{}, err
		}
		s.retried.Add(1)
		if saved.Catalog, err = s.catalogs.CatalogAt(ctx, loaded.Product, newest); err != nil {
			return Saved{}, err
		}
	}
	return Saved{}, fleet.Errorf(fleet.Busy, "device %s keeps changing: try again later", session.ID())
}
