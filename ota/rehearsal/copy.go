package rehearsal

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/index"
	"github.com/muster-iot/muster/ota/pace"
	"github.com/muster-iot/muster/ota/rollout"
	"github.com/muster-iot/muster/wire"
)

// What is assumed of devices that have shown nothing else.
const (
	usualSpeed   = 64 << 10 // bytes per second
	usualRestart = 30 * time.Second
	silent       = 7 * 24 * time.Hour // a device that is away for longer does not return
	readers      = 32                 // devices that are read at the same time
)

// device is a copy, with what it has shown of itself.
type device struct {
	fleet.Device
	online    bool
	lastHello time.Time
	speed     float64       // of its link, bytes per second
	going     float64       // of its download
	restart   time.Duration // until it says Hello again after it applied
	unsteady  fleet.Share   // of its updates that failed through itself
	fault     Phase         // "": none
	pending   int           // of the event that is awaited; earlier ones are void

	first    fleet.Version // that it ran at first
	touched  bool          // it began an update
	done     time.Duration // when it confirmed its target; 0: not yet
	failures int
	lost     bool
}

// copy copies the devices of c's product, and what they are rehearsed with.
func (s *Service) copy(ctx context.Context, c *fleet.Catalog, r fleet.Release, faults []Fault) (*rehearsal, error) {
	owner := fleet.Actor{Team: c.Product.Team, Role: fleet.Owner}
	ids, err := s.Index.IDs(fleet.DeviceQuery{Actor: owner, Product: c.Product.ID})
	if err != nil {
		return nil, err
	}
	if len(ids) > maxDevices {
		return nil, fleet.Errorf(fleet.TooLarge, "the product has %d devices: at most %d can be rehearsed", len(ids), maxDevices)
	}
	now := time.Now().UTC()
	x := &rehearsal{
		catalog: c, release: r.ID, version: r.Version, began: now, now: now, looked: now, index: index.New(), pace: pace.New(),
		slots: s.MaxUpdates, rate: float64(s.Rate), hello: s.Session, maxAttempts: s.OTA.MaxAttempts(), devices: make(map[fleet.DeviceID]*device, len(ids)),
	}
	x.life = s.OTA.Rehearsed(func() time.Time { return x.now })
	x.observer = rollout.NewObserver(x.index, x.pace, x.maxAttempts, func() time.Time { return x.now })
	read, err := s.read(ctx, ids)
	if err != nil {
		return nil, err
	}
	var speeds []float64
	var restarts []time.Duration
	for _, h := range read {
		h.habits()
		if h.speed > 0 {
			speeds = append(speeds, h.speed)
		}
		if h.restart > 0 {
			restarts = append(restarts, h.restart)
		}
	}
	speed, restart := middle(speeds, usualSpeed), middle(restarts, usualRestart)
	for _, h := range read {
		d := &h.device
		if d.speed == 0 {
			d.speed = speed
		}
		if d.restart == 0 {
			d.restart = restart
		}
		for i, f := range faults {
			if d.fault == "" && f.Strikes(d.ID, i) {
				d.fault = f.Phase
			}
		}
		d.first = d.Running
		x.devices[d.ID] = d
		x.index.Put(&d.Device)
		x.index.SetOnline(d.ID, d.online)
	}
	x.index.Finish()
	return x, nil
}

// history is a device with its past updates.
type history struct {
	device
	updates []fleet.Update
}

// read reads devices, several at the same time. Those that were deleted meanwhile are left out.
func (s *Service) read(ctx context.Context, ids []fleet.DeviceID) ([]*history, error) {
	all := make([]*history, len(ids))
	errs := make([]error, readers)
	var reading sync.WaitGroup
	for k := range readers {
		reading.Go(func() {
			for i := k; i < len(ids); i += readers {
				h := new(history)
				var err error
				if h.Device, err = s.Devices.Device(ctx, ids[i]); err == nil {
					h.updates, err = s.Devices.History(ctx, ids[i])
				}
				if errors.Is(err, fleet.NotFound) {
					continue
				}
				if err != nil {
					errs[k] = err
					return
				}
				if e, err := s.Index.Entry(ids[i]); err == nil {
					h.online, h.lastHello = e.Online, e.LastHandshake
				}
				all[i] = h
			}
		})
	}
	reading.Wait()
	all = slices.DeleteFunc(all, func(h *history) bool { return h == nil })
	return all, errors.Join(errs...)
}

// habits takes from the past updates of a device how fast it downloads and restarts, and how many
// failed.
func (h *history) habits() {
	var speeds []float64
	var restarts []time.Duration
	ended, failed := 0, 0
	for _, u := range append([]fleet.Update{h.Update}, h.updates...) {
		if took := u.Stored.Sub(u.Started); !u.Stored.IsZero() && took > 0 {
			speeds = append(speeds, float64(u.Size)/took.Seconds())
		}
		switch {
		case u.State == fleet.Confirmed:
			ended++
			if took := u.Changed.Sub(u.Applied); !u.Applied.IsZero() && took > 0 {
				restarts = append(restarts, took)
			}
		case (u.State == fleet.Failed || u.State == fleet.RolledBack) && !wire.Free(u.Reason):
			ended++
			failed++
		}
	}
	h.speed, h.restart = middle(speeds, 0), middle(restarts, 0)
	if ended > 0 {
		h.unsteady = fleet.Share(failed * int(fleet.Whole) / ended) //nolint:gosec // at most Whole
	}
}

// middle is the median, otherwise where there is none.
func middle[N float64 | time.Duration](all []N, otherwise N) N {
	if len(all) == 0 {
		return otherwise
	}
	slices.Sort(all)
	return all[len(all)/2]
}
