package release

import (
	"context"
	"errors"
	"sync"

	"github.com/muster-iot/muster/fleet"
)

const (
	// MaxRetries bounds the devices that one RetryAll retries.
	MaxRetries = 5000
	retriers   = 64 // at the same time: the store writes them in one batch
)

// Retryable reports whether a retry changes something about a device: its update was stopped, or
// attempts failed.
func Retryable(e *fleet.IndexEntry) bool { return e.Held || e.Spent > 0 }

// Quiet returns s without an audit log: for jobs, which have one entry for all that they do.
func (s *Service) Quiet() *Service {
	quiet := *s
	quiet.audit = nil
	return &quiet
}

// RetryAll retries the devices that q selects, that actor sees and that are Retryable: up to
// MaxRetries, and more reports whether others are left. Devices that were deleted meanwhile, or that
// actor may not operate, are passed over. It stops at an error of the store: repeating it continues.
// Errors: fleet.Denied, fleet.Unavailable until the index is built.
func (s *Service) RetryAll(ctx context.Context, actor fleet.Actor, q fleet.DeviceQuery) (retried int, more bool, err error) {
	if err := fleet.MayInTeam(actor, fleet.OperateDevice); err != nil {
		return 0, false, err
	}
	ids, err := s.index.IDs(retryable(actor, q))
	if err != nil {
		return 0, false, err
	}
	more = len(ids) > MaxRetries
	var mu sync.Mutex
	var work sync.WaitGroup
	queue := make(chan fleet.DeviceID)
	for range min(retriers, len(ids)) {
		work.Go(func() {
			for id := range queue {
				failed := s.Retry(ctx, actor, id)
				mu.Lock()
				switch {
				case failed == nil:
					retried++
				case !errors.Is(failed, fleet.NotFound) && !errors.Is(failed, fleet.Denied):
					err = failed
				}
				mu.Unlock()
			}
		})
	}
	for _, id := range ids[:min(len(ids), MaxRetries)] {
		mu.Lock()
		broken := err != nil
		mu.Unlock()
		if broken {
			break
		}
		queue <- id
	}
	close(queue)
	work.Wait()
	return retried, more, err
}

// Retries counts devices that RetryAll would retry, also those beyond MaxRetries.
type Retries struct {
	Devices int
	Online  int // of Devices
	Held    int // of Devices, those that are held since their update was stopped
}

// CountRetries counts what RetryAll would retry. Errors as RetryAll's.
func (s *Service) CountRetries(actor fleet.Actor, q fleet.DeviceQuery) (n Retries, err error) {
	if err := fleet.MayInTeam(actor, fleet.OperateDevice); err != nil {
		return n, err
	}
	for _, part := range []struct {
		of    *int
		holds func(*fleet.IndexEntry) bool
	}{
		{&n.Devices, func(*fleet.IndexEntry) bool { return true }},
		{&n.Online, func(e *fleet.IndexEntry) bool { return e.Online }},
		{&n.Held, func(e *fleet.IndexEntry) bool { return e.Held }},
	} {
		q := retryable(actor, q)
		which := q.Where.Holds
		q.Where.Holds, q.Limit = func(e *fleet.IndexEntry) bool { return which(e) && part.holds(e) }, 1
		page, err := s.index.Find(q)
		if err != nil {
			return n, err
		}
		*part.of = page.Total
	}
	return n, nil
}

// retryable is q with the condition that the device is Retryable, from the first one by id.
func retryable(actor fleet.Actor, q fleet.DeviceQuery) fleet.DeviceQuery {
	which := q.Where.Holds
	q.Actor, q.Sort, q.Descending, q.After, q.Skip, q.Limit = actor, fleet.ByID, false, "", 0, MaxRetries+1
	q.Where.Holds = func(e *fleet.IndexEntry) bool { return Retryable(e) && (which == nil || which(e)) }
	return q
}
