package ota

import (
	"context"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/ota/precedence"
	"github.com/muster-iot/muster/wire"
)

// Stop ends the running update of a device at once and holds it: nothing is sent until its
// target changes or Retry. It costs no attempt. may is called with the record before it
// changes, and its error is returned. Errors: fleet.Conflict when no update runs, or when
// the device already restarts into it; fleet.NotFound.
func (s *Service) Stop(ctx context.Context, id fleet.DeviceID, may func(*fleet.Device) error) error {
	d, _, err := s.devices.Change(ctx, id, func(d *fleet.Device) (ended []fleet.Update, changed bool, err error) {
		if err := may(d); err != nil {
			return nil, false, err
		}
		switch u := d.Update; {
		case !u.State.Running():
			return nil, false, fleet.Errorf(fleet.Conflict, "no update of device %s is running", id)
		case u.State == fleet.Applying:
			return nil, false, fleet.Errorf(fleet.Conflict, "device %s already restarts into version %s", id, u.To)
		}
		if !d.Flash.Equal(d.Update.To) {
			c, err := s.catalogs.Catalog(ctx, d.Product)
			if err != nil {
				return nil, false, err
			}
			precedence.Renew(d, c)
			if target := d.Update.Target(); !d.Attempts.Target.Equal(target) {
				d.Attempts = fleet.Attempts{Target: target}
			}
			d.Attempts.Held, d.Attempts.Since = true, c.Revision
		}
		end(d, fleet.Stopped, wire.ReasonStopped, time.Now())
		return []fleet.Update{d.Update}, true, nil
	})
	if err != nil {
		return err
	}
	s.counts.ended[fleet.Stopped].Add(1)
	s.halt(id, whichever, wire.ReasonStopped)
	s.cfg.Ended(d)
	return nil
}

// Follow stops the download of a device if that is of an update which is over by its record d, which
// another server has changed, and sends the device the reason.
func (s *Service) Follow(d *fleet.Device) {
	reason := wire.ReasonSuperseded
	if d.Update.State == fleet.Stopped {
		reason = wire.ReasonStopped
	}
	s.halt(d.ID, func(dl *download) bool {
		return dl != nil && (dl.update != d.Update.ID || !d.Update.State.Running())
	}, reason)
}

// Retry resets the attempts at a device's target, an operator's stop included, and has the
// device re-evaluated: now if it is online, else at its next handshake. may is as for Stop.
// Errors: fleet.NotFound.
func (s *Service) Retry(ctx context.Context, id fleet.DeviceID, may func(*fleet.Device) error) error {
	_, _, err := s.devices.Change(ctx, id, func(d *fleet.Device) (ended []fleet.Update, changed bool, err error) {
		if err := may(d); err != nil {
			return nil, false, err
		}
		fresh := fleet.Attempts{Target: d.Attempts.Target, Since: d.Attempts.Since}
		changed = d.Attempts != fresh
		d.Attempts = fresh
		return nil, changed, nil
	})
	if err != nil {
		return err
	}
	s.cfg.Ready(id)
	return nil
}
