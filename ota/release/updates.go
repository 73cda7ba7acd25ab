package release

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/muster-iot/muster/fleet"
)

// maxPage is the longest page of updates.
const maxPage = 100

// Updates lists updates that actor may see, and the cursor of the next page, "" on the
// last. With q.Device they are that device's: the running one, then the ended ones, newest
// first; an update that was confirmed and fell back later is listed as both. Without it they
// are the newest of each of q.Product's devices, ordered by device id. Errors: fleet.NotFound,
// fleet.Invalid for a bad cursor, fleet.Unavailable until the index is built.
func (s *Service) Updates(ctx context.Context, actor fleet.Actor, q fleet.UpdateQuery) ([]fleet.DeviceUpdate, string, error) {
	if q.Limit <= 0 || q.Limit > maxPage {
		q.Limit = maxPage
	}
	if q.Device != "" {
		return s.updatesOf(ctx, actor, q)
	}
	c, err := s.catalogFor(ctx, actor, fleet.SeeTeam, q.Product)
	if err != nil {
		return nil, "", err
	}
	if _, err := fleet.ParseDeviceID(q.After); q.After != "" && err != nil {
		return nil, "", fleet.FieldErrorf("after", "cursor %.40q is not one of this list: start again without it", q.After)
	}
	ids, err := s.index.IDs(fleet.DeviceQuery{
		Actor: actor, Product: c.Product.ID, Updates: states(q), UpdateTo: q.Version, After: q.After, Limit: q.Limit + 1,
	})
	if err != nil {
		return nil, "", err
	}
	next := ""
	if len(ids) > q.Limit {
		ids = ids[:q.Limit]
		next = ids[q.Limit-1].String()
	}
	list := make([]fleet.DeviceUpdate, 0, len(ids))
	for _, id := range ids {
		d, err := s.devices.Device(ctx, id)
		switch {
		case errors.Is(err, fleet.NotFound):
		case err != nil:
			return nil, "", err
		case selects(q, &d.Update): // it may have changed since the index was read
			list = append(list, fleet.DeviceUpdate{Device: id, Update: s.live(&d)})
		}
	}
	return list, next, nil
}

// states are those q asks for: any but none, where it names none.
func states(q fleet.UpdateQuery) []fleet.UpdateState {
	if len(q.States) > 0 {
		return q.States
	}
	var all []fleet.UpdateState
	for state := fleet.Offered; state <= fleet.Stopped; state++ {
		all = append(all, state)
	}
	return all
}

// selects reports whether q asks for u.
func selects(q fleet.UpdateQuery, u *fleet.Update) bool {
	return u.State != fleet.NoUpdate &&
		(len(q.States) == 0 || slices.Contains(q.States, u.State)) &&
		(q.Version.IsZero() || q.Version.Equal(u.To) || q.Version.Equal(u.Goal))
}

// updatesOf lists one device's updates. The cursor names the last that was listed, so that updates
// which begin or end meanwhile shift nothing.
func (s *Service) updatesOf(ctx context.Context, actor fleet.Actor, q fleet.UpdateQuery) ([]fleet.DeviceUpdate, string, error) {
	d, err := s.deviceFor(ctx, actor, fleet.SeeDevice, q.Device)
	if err != nil {
		return nil, "", err
	}
	if q.Product != 0 && d.Product != q.Product {
		return nil, "", fleet.Errorf(fleet.NotFound, "no such device: %s", q.Device)
	}
	after, state, _ := strings.Cut(q.After, ".")
	if _, err := fleet.ParseUpdateState(state); q.After != "" && (err != nil || len(after) != len(fleet.UpdateID{}.String())) {
		return nil, "", fleet.FieldErrorf("after", "cursor %.40q is not one of this list", q.After)
	}
	history, err := s.devices.History(ctx, d.ID)
	if err != nil {
		return nil, "", err
	}
	var all []fleet.DeviceUpdate
	if d.Update.State.Running() {
		all = append(all, fleet.DeviceUpdate{Device: d.ID, Update: s.live(&d)})
	}
	for _, u := range history {
		all = append(all, fleet.DeviceUpdate{Device: d.ID, Update: u})
	}
	all = slices.DeleteFunc(all, func(u fleet.DeviceUpdate) bool { return !selects(q, &u.Update) })
	if q.After != "" {
		all = all[following(all, after, state):]
	}
	if len(all) <= q.Limit {
		return all, "", nil
	}
	last := all[q.Limit-1]
	return all[:q.Limit], last.ID.String() + "." + last.State.String(), nil
}

// following is where the updates older than one begin. The state of that one may have changed
// since, and it may be too old to be kept, as then are all that follow it.
func following(all []fleet.DeviceUpdate, id, state string) int {
	next := len(all)
	for i, u := range all {
		if u.ID.String() != id {
			continue
		}
		if next = i + 1; u.State.String() == state {
			break
		}
	}
	return next
}

// live is d's update with the position that its running download has reached.
func (s *Service) live(d *fleet.Device) fleet.Update {
	u := d.Update
	if position, ok := s.position(d); ok && (u.State == fleet.Offered || u.State == fleet.Downloading) {
		u.Next = max(u.Next, position)
		if u.Next > 0 {
			u.State = fleet.Downloading
		}
	}
	return u
}

// position is how many bytes of the image of its running download d has, at whichever server that runs.
func (s *Service) position(d *fleet.Device) (bytes int64, ok bool) {
	if bytes, ok = s.ota.Position(d.ID); !ok {
		bytes, ok = s.elsewhere(d.Team)[d.ID]
	}
	return bytes, ok
}

// Stop ends the running update of a device at once and holds it: nothing is sent until its
// target changes or an operator retries. It costs no attempt. Errors: fleet.Conflict when no
// update runs, or when the device already restarts into it.
func (s *Service) Stop(ctx context.Context, actor fleet.Actor, id fleet.DeviceID) error {
	id = id.In(actor.Team)
	product := fleet.ProductID(0)
	if err := s.ota.Stop(ctx, id, s.mayOperate(ctx, actor, &product)); err != nil {
		return err
	}
	s.audit.RecordIn(ctx, product, actor, "update.stop", id.String(), nil, nil)
	return nil
}

// Retry resets the attempts at a device's target, an operator's stop included, and has the
// device re-evaluated: now if it is online, else at its next handshake.
func (s *Service) Retry(ctx context.Context, actor fleet.Actor, id fleet.DeviceID) error {
	id = id.In(actor.Team)
	product := fleet.ProductID(0)
	if err := s.ota.Retry(ctx, id, s.mayOperate(ctx, actor, &product)); err != nil {
		return err
	}
	s.audit.RecordIn(ctx, product, actor, "update.retry", id.String(), nil, nil)
	return nil
}

// mayOperate checks the right to a device, and sets of to its product.
func (s *Service) mayOperate(ctx context.Context, actor fleet.Actor, of *fleet.ProductID) func(*fleet.Device) error {
	return func(d *fleet.Device) error {
		*of = d.Product
		return s.may(ctx, actor, fleet.OperateDevice, d)
	}
}
