package handshake

import (
	"bytes"
	"context"
	"errors"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

// Decision is made on a device's record and its product's catalog. It changes the record
// as decided and returns the updates that ended thereby. It may be called more than once
// per handshake, each time on the record as it then is; the last call counts.
type Decision func(d *fleet.Device, c *fleet.Catalog) (past []fleet.Update)

// maxTries bounds how often one handshake is decided again because the device or its
// product moved meanwhile.
const maxTries = 8

// Greeting is the outcome of a handshake.
type Greeting struct {
	Device  fleet.Device   // as saved
	Catalog *fleet.Catalog // by which it was decided
	Ended   []fleet.Update // the updates that ended, of every save it took
	Differs bool           // news: the device says it runs other bytes than were uploaded
}

// Greet accepts Hello h of session: it writes what h says into the device's record, lets
// decide act on it, and saves both in one conditional write. The first Hello of a session
// claims the device: its generation becomes the record's, and Hellos and Reports of
// earlier sessions are refused from then on. When the device or its catalog moved since
// they were loaded, it loads and decides again before it returns.
//
// While decide runs, the record's Boot is still that of the Hello before h. Errors:
// fleet.Conflict when the session has ended or is not the device's newest any more;
// fleet.NotFound, fleet.Disabled when the device was deleted or disabled meanwhile;
// fleet.Busy when it kept moving; fleet.Unavailable from the store.
func (s *Service) Greet(ctx context.Context, session *Session, h wire.Hello, decide Decision) (Greeting, error) {
	now := time.Now()
	news := false
	g, err := s.settle(ctx, session, func(d *fleet.Device, c *fleet.Catalog, claimed bool) (past []fleet.Update, changed bool) {
		if !claimed {
			d.Session++
		}
		differs := digestDiffers(h, c)
		news = news && differs || differs && !(d.Differs && d.Running.Equal(h.Version))
		d.Differs = differs
		write(d, h, session.address, now)
		past = decide(d, c)
		d.Boot = h.Boot
		return past, true
	})
	if err != nil {
		return Greeting{}, err
	}
	g.Differs = news
	session.greeted(g.Device.Session, h)
	s.greeted.Add(1)
	return g, nil
}

// Again lets decide act on the record of a session that has said Hello, where an operator
// or a free slot gives reason to: an immediate release, a flash, a lock with flash now.
// Nothing is written when decide changes nothing. Errors as Greet's, and fleet.Conflict
// before the first Hello.
func (s *Service) Again(ctx context.Context, session *Session, decide Decision) (Greeting, error) {
	if session.Generation() == 0 {
		return Greeting{}, fleet.Errorf(fleet.Conflict, "device %s has not said Hello yet", session.ID())
	}
	fresh, err := s.devices.Device(ctx, session.ID()) // reports and operators have changed it since the Hello
	if err != nil {
		return Greeting{}, err
	}
	session.device = fresh
	return s.settle(ctx, session, func(d *fleet.Device, c *fleet.Catalog, _ bool) (past []fleet.Update, changed bool) {
		before := *d
		past = decide(d, c)
		return past, len(past) > 0 || before.Update != d.Update || before.Attempts != d.Attempts || before.Flash != d.Flash
	})
}

// change alters a record; claimed says whether the record's session is already the one
// that asks. Nothing is saved when it reports no change.
type change func(d *fleet.Device, c *fleet.Catalog, claimed bool) (past []fleet.Update, changed bool)

// settle makes change on the session's snapshot and saves, until neither the device nor
// its catalog moved in between.
func (s *Service) settle(ctx context.Context, session *Session, change change) (g Greeting, err error) {
	generation := session.Generation()
	loaded := session.device
	if g.Catalog, err = s.catalogs.Catalog(ctx, loaded.Product); err != nil {
		return Greeting{}, err
	}
	for range maxTries {
		if err := session.mayWrite(&loaded, generation); err != nil {
			return Greeting{}, err
		}
		d := loaded
		past, changed := change(&d, g.Catalog, generation != 0)
		if !changed {
			session.device, g.Device = d, d
			return g, nil
		}
		newest, err := s.devices.Save(ctx, &d, past...)
		switch {
		case err == nil:
			session.device, g.Device, g.Ended = d, d, append(g.Ended, past...)
			if newest <= g.Catalog.Revision {
				return g, nil
			}
			// Saved, but decided by releases that are not the newest: once more, on the
			// record as it is now.
			generation, loaded = d.Session, d
		case errors.Is(err, fleet.Conflict):
			if loaded, err = s.devices.Device(ctx, session.ID()); err != nil {
				return Greeting{}, err
			}
		default:
			return Greeting{}, err
		}
		s.retried.Add(1)
		if g.Catalog, err = s.catalogs.CatalogAt(ctx, loaded.Product, newest); err != nil {
			return Greeting{}, err
		}
	}
	return Greeting{}, fleet.Errorf(fleet.Busy, "device %s keeps changing: try again later", session.ID())
}

// write puts what h says into the record. Facts that did not change keep their slice, so
// that the store can tell.
func write(d *fleet.Device, h wire.Hello, address string, now time.Time) {
	d.Running, d.Hardware, d.UpdatesOn = h.Version, h.Hardware, h.UpdatesOn
	if h.Facts != nil && !bytes.Equal(h.Facts, d.Facts) {
		d.Facts = h.Facts
	}
	d.Address = address
	d.LastHandshake, d.LastHeard = now, now
}

// digestDiffers reports whether a device says it runs a version of c with other bytes
// than were uploaded: worth an alert when it is new, and nothing else
// (docs/protocol.md#hello, key 3).
func digestDiffers(h wire.Hello, c *fleet.Catalog) bool {
	f, ok := c.Find(h.Version)
	return ok && h.Digest != (fleet.Digest{}) && h.Digest != f.Digest && (h.Product == "" || h.Product == c.Product.Slug)
}
