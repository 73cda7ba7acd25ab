package job

import (
	"context"
	"errors"
	"sync"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/store/jobs"
)

// parallel is how many devices are worked on at a time. Handshakes share the store with them.
const parallel = 32

// errNothing is about a device that a job leaves as it is.
var errNothing = fleet.Errorf(fleet.Conflict, "nothing to do: no attempt failed and no update was stopped")

// do carries out a job on a part of its devices and returns an error for each that was not done. The
// second error is about all of them. With again, some may have been done before: that changes
// nothing.
func (s *Service) do(ctx context.Context, actor fleet.Actor, j *Job, ids []fleet.DeviceID, again bool) ([]error, error) {
	switch j.Action {
	case jobs.Groups, jobs.Lock, jobs.Unlock, jobs.Development, jobs.NoDevelopment, jobs.Disable, jobs.Enable:
		return s.quietRegistry.ChangeAll(ctx, actor, j.Product, ids, change(j))
	}
	errs := make([]error, len(ids))
	free := make(chan struct{}, parallel)
	var tasks sync.WaitGroup
	for i, id := range ids {
		free <- struct{}{}
		tasks.Go(func() {
			defer func() { <-free }()
			errs[i] = s.doOne(ctx, actor, j, id, again)
		})
	}
	tasks.Wait()
	return errs, nil
}

func (s *Service) doOne(ctx context.Context, actor fleet.Actor, j *Job, id fleet.DeviceID, again bool) error {
	if j.Action == jobs.Delete {
		err := s.quietRegistry.DeleteDevice(ctx, actor, j.Product, id)
		if again && errors.Is(err, fleet.NotFound) {
			return nil
		}
		return err
	}
	d, err := s.registry.Device(ctx, actor, j.Product, id)
	if err != nil {
		return err
	}
	switch j.Action {
	case jobs.Flash:
		v := fleet.ReportedVersion(j.Version)
		if again && flashed(&d.Device, v, j) {
			return nil
		}
		return s.quietRegistry.FlashDevice(ctx, actor, j.Product, id, v)
	case jobs.Command:
		return s.quietRegistry.CommandOnce(ctx, actor, id, j.Command, j.Payload, j.TTL, j.Started)
	case jobs.Stop:
		err := s.quietReleases.Stop(ctx, actor, id)
		if again && errors.Is(err, fleet.Conflict) && d.Update.State == fleet.Stopped && !d.Update.Changed.Before(j.Started) {
			return nil
		}
		return err
	case jobs.Resume, jobs.Retry:
		held, spent := d.Attempts.Held, d.Attempts.Spent > 0
		if !held && (j.Action == jobs.Resume || !spent) {
			if again {
				return nil
			}
			return errNothing
		}
		return s.quietReleases.Retry(ctx, actor, id)
	}
	return fleet.Errorf(fleet.Invalid, "unknown action: %.40s", j.Action)
}

// flashed reports whether a job has flashed a device: it is about to, or began since.
func flashed(d *fleet.Device, v fleet.Version, j *Job) bool {
	return d.Flash.Equal(v) || d.Update.To.Equal(v) && !d.Update.Started.Before(j.Started)
}
