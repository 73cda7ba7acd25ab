package store

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/index"
	"github.com/muster-iot/muster/store/identity"
)

// maxDoubtful is how many devices are read again one by one; for more, all are.
const maxDoubtful = 10_000

// lateWrites is how long after an outage Redis may still carry out a write that was given up:
// its records are read again by then.
const lateWrites = 5 * time.Second

// recovery is what has to be made right after an outage: rows of the index that may differ from
// the records, and deletions of groups that were interrupted. It is safe for concurrent use.
type recovery struct {
	wake    chan struct{} // has a place for one
	notices chan Notice

	mu       sync.Mutex
	doubtful map[fleet.DeviceID]bool // whether a write was carried out is unknown; guarded by mu
	all      bool                    // every device is doubtful; guarded by mu
	groups   bool                    // a deletion of a group is not finished; guarded by mu
}

// Notice is something about the store that an operator should know.
type Notice struct{ Name, Text string }

// NoticeOlder is the name of the notice that Redis came back with older data.
const NoticeOlder = "store_older"

func newRecovery() *recovery {
	return &recovery{wake: make(chan struct{}, 1), notices: make(chan Notice, 16), doubtful: map[fleet.DeviceID]bool{}}
}

func (r *recovery) begin() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// doubt notes that a write of a device may or may not have been carried out.
func (r *recovery) doubt(id fleet.DeviceID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.doubtful) >= maxDoubtful {
		r.all = true
		return
	}
	r.doubtful[id] = true
}

func (r *recovery) interrupted() {
	r.mu.Lock()
	r.groups = true
	r.mu.Unlock()
	r.begin()
}

// changed follows a Redis that was restarted or replaced.
func (s *Store) changed(c identity.Change) {
	s.forget()
	s.core.recovery.mu.Lock()
	s.core.recovery.all = true
	s.core.recovery.mu.Unlock()
	s.core.recovery.begin()
	if c.Older {
		select {
		case s.core.recovery.notices <- Notice{NoticeOlder, "the store came back with older data: changes and messages that were acknowledged shortly before are missing"}:
		default: // nobody listens, or has yet to read the same
		}
	}
}

// recovered follows the end of an outage: what was written during it may be there or not.
func (s *Store) recovered() {
	s.forget()
	s.core.recovery.begin()
}

func (s *Store) forget() {
	s.Catalogs.docs.Forget()
	s.Teams.docs.Forget()
	s.Teams.accounts.Forget()
}

// Notices returns what operators should know about the store, as it happens.
func (s *Store) Notices() <-chan Notice { return s.core.recovery.notices }

// recover makes right what outages leave, until ctx ends. The index must be ready.
func (s *Store) recover(ctx context.Context) {
	r := s.core.recovery
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.wake:
		}
		r.mu.Lock()
		all, ids, groups := r.all, slices.Collect(maps.Keys(r.doubtful)), r.groups
		r.all, r.groups = false, false
		clear(r.doubtful)
		r.mu.Unlock()
		if all {
			s.rereadAll(ctx)
		}
		if len(ids) > 0 {
			s.reread(ctx, ids)
			if !sleep(ctx, lateWrites) {
				return
			}
			s.reread(ctx, ids)
		}
		if groups && !s.Teams.resume(ctx) {
			r.mu.Lock()
			r.groups = true // until the end of the next outage
			r.mu.Unlock()
		}
	}
}

// rereadAll corrects the whole index.
func (s *Store) rereadAll(ctx context.Context) {
	began, reading := time.Now(), s.Index.Reread()
	err := s.Devices.scan(ctx, func(id fleet.DeviceID, d *fleet.Device) {
		if d != nil {
			reading.Put(d)
		}
	})
	if changed := reading.Finish(err == nil); changed > 0 {
		s.core.log.Warn("lists were corrected: redis had other records than before", "devices", changed, "took", time.Since(began))
	}
}

// reread corrects the index for some devices, as soon as their masters answer.
func (s *Store) reread(ctx context.Context, ids []fleet.DeviceID) {
	reading := s.Index.Reread()
	defer reading.Finish(false)
	for some := range slices.Chunk(ids, maxCreated) {
		var all sync.WaitGroup
		for _, id := range some {
			all.Go(func() { s.rereadOne(ctx, id, reading) })
		}
		all.Wait()
	}
}

func (s *Store) rereadOne(ctx context.Context, id fleet.DeviceID, reading *index.Rereading) {
	for {
		d, err := s.Devices.Device(ctx, id)
		switch {
		case err == nil:
			reading.Put(&d)
			return
		case errors.Is(err, fleet.NotFound):
			reading.Absent(id)
			return
		case !errors.Is(err, fleet.Unavailable):
			s.core.log.Error("a device record can't be read and is left out of lists", "device", id, "err", err)
			return
		case !s.Devices.pause(ctx, err):
			return
		}
	}
}

func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
