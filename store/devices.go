package store

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/index"
	"github.com/muster-iot/muster/store/document"
	"github.com/muster-iot/muster/store/feed"
	"github.com/muster-iot/muster/store/keys"
	"github.com/muster-iot/muster/store/namesake"
	"github.com/muster-iot/muster/store/node"
	"github.com/muster-iot/muster/store/pipeline"
	"github.com/muster-iot/muster/store/record"
)

// Devices reads and writes device records.
type Devices struct {
	core      *core
	nodes     *node.Nodes
	namesakes *namesake.Reader
	index     *index.Index
	feed      *feed.Feed
	catalogs  *Catalogs
}

// Device returns the record of id; fleet.NotFound when there is none.
func (s *Devices) Device(ctx context.Context, id fleet.DeviceID) (fleet.Device, error) {
	op := &loadDevice{id: id}
	if err := s.core.Read(ctx, op); err != nil {
		return fleet.Device{}, err
	}
	return op.device, nil
}

// Save writes d if its record is still at d.Revision by d.Written, raises that, and adds the ended
// updates to its history, oldest first, in the same step. It returns the newest revision of the
// product's catalog that this process has seen, which alone changes it: the highest number when it has seen none. If
// servers share the store, it is the revision at that moment, 0 when the product was deleted. Errors: fleet.Conflict when
// d is not what is stored; fleet.NotFound when the device was deleted; fleet.Unavailable, after which
// d may have been written, or be written yet: then the caller must not modify it any more.
func (s *Devices) Save(ctx context.Context, d *fleet.Device, ended ...fleet.Update) (catalog uint64, err error) {
	op := &saveDevice{store: s, device: d, ended: ended, nonce: s.core.Nonce()}
	if err := s.core.Write(ctx, op); err != nil {
		return 0, err
	}
	if s.feed.Joined() {
		return s.catalogs.newest(ctx, d.Product, op.tag)
	}
	return s.catalogs.docs.Newest(d.Product), nil
}

// Edit changes the record of id and saves it. It returns what was saved. change gets a fresh
// record each time another write came first, so it may run several times; an error of change
// leaves the record as it is. It returns fleet.Busy when the record keeps changing.
func (s *Devices) Edit(ctx context.Context, id fleet.DeviceID, change func(*fleet.Device) error) (fleet.Device, error) {
	d, _, err := s.Change(ctx, id, func(d *fleet.Device) ([]fleet.Update, bool, error) { return nil, true, change(d) })
	return d, err
}

// Change edits a record like Edit; the change may end updates or do nothing: change returns
// the updates that ended, which join the history in the same step, and whether there is
// anything to save. Change returns the record as it is now and whether it was saved.
func (s *Devices) Change(ctx context.Context, id fleet.DeviceID,
	change func(*fleet.Device) (ended []fleet.Update, changed bool, err error),
) (d fleet.Device, saved bool, err error) {
	var loaded *fleet.Device
	err = document.UntilSaved("device "+id.String(), func() (again bool, err error) {
		op := &loadDevice{id: id} // whose record is each attempt's own, as Save requires
		if err := s.core.Read(ctx, op); err != nil {
			return false, err
		}
		loaded = &op.device
		ended, changed, err := change(loaded)
		if err != nil || !changed {
			return false, err
		}
		_, err = s.Save(ctx, loaded, ended...)
		saved = err == nil
		return errors.Is(err, fleet.Conflict), err
	})
	if err != nil {
		return fleet.Device{}, false, err
	}
	return *loaded, saved, nil
}

// Namesakes returns the devices of up to namesake.Most teams that have the id of id, oldest first. It
// takes one trip, as namesake.Reader has it.
func (s *Devices) Namesakes(ctx context.Context, id fleet.DeviceID) ([]fleet.Device, error) {
	return s.namesakes.Read(ctx, id)
}

// Create writes a new record, in d.Team, and sets d.Revision and d.Namesakes; fleet.Conflict when the team has a
// device with this id. The first revision is the time in µs, so that an id that is deleted and
// created again never has a revision it had before.
func (s *Devices) Create(ctx context.Context, d *fleet.Device) error {
	d.ID, d.Gateway = d.ID.In(d.Team), d.Gateway.In(d.Team)
	op := &createDevice{store: s, device: *d, nonce: s.core.Nonce()}
	op.device.Revision = uint64(max(time.Now().UnixMicro(), 1))
	if err := s.core.Write(ctx, op); err != nil {
		return err
	}
	d.Revision, d.Base, d.Namesakes = op.device.Revision, op.device.Base, op.namesakes
	return nil
}

// maxCreated bounds the devices that are created at the same time, in few shared trips.
const maxCreated = 128

// CreateMany writes many new records. It returns one error per device, nil for those that
// were created.
func (s *Devices) CreateMany(ctx context.Context, devices []*fleet.Device) []error {
	outcomes := make([]error, len(devices))
	places := make(chan struct{}, maxCreated)
	var all sync.WaitGroup
	for i, d := range devices {
		places <- struct{}{}
		all.Go(func() {
			outcomes[i] = s.Create(ctx, d)
			<-places
		})
	}
	all.Wait()
	return outcomes
}

// Delete removes a device with its history and its commands; fleet.NotFound when there is none.
func (s *Devices) Delete(ctx context.Context, id fleet.DeviceID) error {
	return s.core.Write(ctx, &deleteDevice{store: s, id: id, nonce: s.core.Nonce()})
}

// History returns the past updates of id, newest first; none for an unknown device.
func (s *Devices) History(ctx context.Context, id fleet.DeviceID) ([]fleet.Update, error) {
	records, err := pipeline.Fetch(ctx, s.core.Pipeline, keys.History(id), func(p redis.Pipeliner) pipeline.Result[[]string] {
		return p.LRange(context.Background(), keys.History(id), 0, -1)
	})
	if err != nil {
		return nil, err
	}
	oldest := s.core.clock.Now().Add(-s.core.keep.Age)
	updates := make([]fleet.Update, 0, len(records))
	for _, text := range records {
		var u fleet.Update
		if err := record.Update.Unpack(text, &u); err != nil {
			return nil, err
		}
		if !u.Changed.IsZero() && u.Changed.Before(oldest) {
			continue
		}
		updates = append(updates, u)
	}
	return updates, nil
}

// SetOnline stores in the index whether id is connected. It touches memory only, and does nothing if
// the store is shared: then, the record has that.
func (s *Devices) SetOnline(id fleet.DeviceID, online bool) {
	if s.nodes == nil {
		s.index.SetOnline(id, online)
	}
}

func noDevice(id fleet.DeviceID) error {
	return fleet.Errorf(fleet.NotFound, "no such device: %s", id)
}
