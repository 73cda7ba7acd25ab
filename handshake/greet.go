package handshake

import (
	"bytes"
	"context"
	"time"

	"github.com/muster-iot/muster/calendar"
	"github.com/muster-iot/muster/devicelog"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

// Decision decides on a device's record and its product's catalog. It changes the record and
// returns its plan, which is the caller's affair, and the updates that ended by it. It may be
// called more than once per handshake, each time with the record as it is then; the last call
// counts.
type Decision[P any] func(d *fleet.Device, c *fleet.Catalog) (plan P, ended []fleet.Update)

// Greeting is the outcome of a handshake.
type Greeting[P any] struct {
	Saved
	Plan     P    // of the last decision
	Differs  bool // the device now reports other bytes than were uploaded; false if it did before
	Misnamed bool // its digest now shows another version than it reports; false if it did before
}

// Saved is what the decision was made on and what came of it.
type Saved struct {
	Device  *fleet.Device  // as it was saved
	Catalog *fleet.Catalog // that the decision was made by
	Ended   []fleet.Update // the updates that ended, in all saves it took
}

// Greet accepts a Hello of session: it writes what the Hello reports into the device's record,
// has decide change it, and saves both in one conditional write. If the device or its catalog
// changed since they were loaded, it loads them and decides again.
//
// The first Hello of a session claims the device: the record's session number grows, and Hellos
// and Reports of earlier sessions are refused from then on. While decide runs, the record's
// Boot is still that of the previous Hello (docs/protocol.md#hello).
//
// Errors: ErrEarlierBoot, after which nothing has changed; fleet.Conflict when the session has
// ended or the device has a newer one; fleet.NotFound and fleet.Disabled when the device was deleted or disabled meanwhile;
// fleet.Busy when it keeps changing; fleet.Unavailable from the store.
func Greet[P any](ctx context.Context, s *Service, session *Session, h wire.Hello, decide Decision[P]) (g Greeting[P], err error) {
	now := time.Now()
	var before identity // as this Hello found it, also when its own save is decided again
	earlier := false
	loaded := session.admitted
	if loaded == nil {
		if loaded, err = s.load(ctx, session.ID()); err != nil {
			return g, err
		}
	}
	g.Saved, err = s.save(ctx, session, loaded, func(d *fleet.Device, c *fleet.Catalog, claimed bool) (ended []fleet.Update, changed bool) {
		if earlier = d.Earlier.Has(h.Boot) && !session.insists(h.Boot, now); earlier {
			return nil, false
		}
		if !claimed {
			d.Supersede()
			session.hold(d, s.node)
		}
		if !d.LastHandshake.Equal(now) {
			before = identityOf(d)
		}
		identify(d, h, c)
		write(d, h, session.address, now)
		g.Plan, ended = decide(d, c)
		booted(d, h.Boot)
		return ended, true
	})
	if err == nil && earlier {
		s.earlier.Add(1)
		err = ErrEarlierBoot
	}
	if err != nil {
		return Greeting[P]{}, err
	}
	d := g.Device
	g.Differs = d.Differs && !(before.differs && before.running == d.Running)
	g.Misnamed = !d.Label.IsZero() && !(before.label == d.Label && before.running == d.Running)
	session.admitted = nil
	session.greeted(g.Device.Session, h)
	s.greeted.Add(1)
	return g, nil
}

// booted records that d sent a Hello with this nonce.
func booted(d *fleet.Device, boot uint64) {
	if d.Boot == boot {
		return
	}
	earlier, at := fleet.Boots{d.Boot}, min(d.Boot, 1)
	for _, b := range d.Earlier {
		if b != boot && b != 0 && at < uint64(len(earlier)) {
			earlier[at] = b
			at++
		}
	}
	d.Boot, d.Earlier = boot, earlier
}

// ErrEarlierBoot is returned for a Hello with the nonce of a boot before the device's last one:
// an MQTT library has sent a stored Hello again. A device that draws the same nonce twice says
// Hello again when it is asked to, EarlierAgain later: then the Hello is accepted.
var ErrEarlierBoot = fleet.Errorf(fleet.Conflict, "a Hello of an earlier boot")

// EarlierAgain is when a device whose Hello was taken as one of an earlier boot may repeat it.
const EarlierAgain = 10 * time.Second

// Reevaluate has decide change the record of a session that has sent a Hello, because an
// operator or a free slot gave a reason to. Nothing is saved when decide changes nothing. It
// returns the errors of Greet, and fleet.Conflict before the first Hello.
func Reevaluate[P any](ctx context.Context, s *Service, session *Session, decide Decision[P]) (g Greeting[P], err error) {
	if session.Generation() == 0 {
		return g, fleet.Errorf(fleet.Conflict, "device %s has not sent a Hello yet", session.ID())
	}
	fresh, err := s.load(ctx, session.ID()) // reports and operators have changed it since the Hello
	if err != nil {
		return g, err
	}
	g.Saved, err = s.save(ctx, session, fresh, func(d *fleet.Device, c *fleet.Catalog, _ bool) (ended []fleet.Update, changed bool) {
		before := *d
		g.Plan, ended = decide(d, c)
		return ended, len(ended) > 0 || before.Update != d.Update || before.Attempts != d.Attempts || before.Flash != d.Flash
	})
	if err != nil {
		return Greeting[P]{}, err
	}
	return g, nil
}

// zoneOf is the time zone among the facts of a device, "" when there is none.
func zoneOf(facts []byte) (zone string) {
	wire.EachFact(facts, func(path, value string) {
		if path == "tz" && calendar.Known(value) {
			zone = value
		}
	})
	return zone
}

// write puts what a Hello reports into the record. Facts that did not change keep their slice.
func write(d *fleet.Device, h wire.Hello, address string, now time.Time) {
	d.Hardware, d.UpdatesOn, d.MaxImage = h.Hardware, h.UpdatesOn, h.MaxImage
	if h.Facts != nil && (!bytes.Equal(h.Facts, d.Facts) || d.Zone == "" && bytes.Contains(h.Facts, []byte("btz"))) { // "tz" in CBOR
		d.OldFacts = devicelog.Changed(d.OldFacts, d.Facts, h.Facts, now)
		d.Facts, d.Zone = h.Facts, zoneOf(h.Facts)
	}
	d.Address = address
	d.LastHandshake, d.LastHeard = now, now
}
