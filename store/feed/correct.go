package feed

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/index"
	"github.com/muster-iot/muster/steady"
	"github.com/muster-iot/muster/store/keys"
	"github.com/muster-iot/muster/store/pipeline"
	"github.com/muster-iot/muster/store/record"
)

const (
	maxDoubtful = 10_000 // devices that are read again one by one; for more, all are
	maxReread   = 128    // that are at the same time, in few shared trips

	// lateWrites is how long after an outage Redis may still carry out a write that was given up: its
	// records are read again by then.
	lateWrites = 5 * time.Second
)

// Doubt notes that a write of a device may or may not have been carried out. In a joined process the
// feed has it if it was.
func (f *Feed) Doubt(id fleet.DeviceID) {
	if f.config.Joined {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.doubtful) >= maxDoubtful {
		f.all = true
		return
	}
	f.doubtful[id] = true
}

// DoubtAll notes that any record may have changed: Redis was restarted or replaced.
func (f *Feed) DoubtAll() {
	if f.config.Joined {
		for i := range f.parts {
			f.parts[i].mark()
		}
		return
	}
	f.mu.Lock()
	f.all = true
	f.mu.Unlock()
}

// Correct makes the index right for what was noted by Doubt and DoubtAll: at once, and again after
// Redis may have carried out what was given up. It must be called from one goroutine, after Read. It
// returns false if ctx ends first.
func (f *Feed) Correct(ctx context.Context) bool {
	f.mu.Lock()
	all, ids := f.all, slices.Collect(maps.Keys(f.doubtful))
	f.all = false
	clear(f.doubtful)
	f.mu.Unlock()
	if all {
		f.rereadAll(ctx)
	}
	if len(ids) == 0 {
		return true
	}
	f.reread(ctx, ids)
	if !steady.Sleep(ctx, lateWrites) {
		return false
	}
	f.reread(ctx, ids)
	return true
}

// rereadAll corrects the whole index.
func (f *Feed) rereadAll(ctx context.Context) {
	began, reading := time.Now(), f.config.Index.Reread(nil)
	err := f.scan(ctx, nil, func(_ fleet.DeviceID, d *fleet.Device) {
		if d != nil {
			reading.Put(d)
		}
	})
	if changed := reading.Finish(err == nil); changed > 0 {
		f.config.Log.Warn("lists were corrected: redis had other records than before", "devices", changed, "took", time.Since(began))
	}
}

// reread corrects the index for some devices, as soon as their masters answer.
func (f *Feed) reread(ctx context.Context, ids []fleet.DeviceID) {
	reading := f.config.Index.Reread(nil)
	defer reading.Finish(false)
	for some := range slices.Chunk(ids, maxReread) {
		var all sync.WaitGroup
		for _, id := range some {
			all.Go(func() { f.rereadOne(ctx, id, reading) })
		}
		all.Wait()
	}
}

func (f *Feed) rereadOne(ctx context.Context, id fleet.DeviceID, reading *index.Rereading) {
	for {
		fields, err := pipeline.Fetch(ctx, f.config.Redis, keys.Device(id), func(p redis.Pipeliner) pipeline.Result[map[string]string] {
			return p.HGetAll(context.Background(), keys.Device(id))
		})
		d := fleet.Device{ID: id}
		switch {
		case errors.Is(err, fleet.Unavailable):
			if !f.pause(ctx, err) {
				return
			}
			continue
		case err == nil && len(fields) == 0:
			reading.Absent(id)
			return
		case err == nil:
			err = record.ReadDevice(fields, &d)
		}
		if err != nil {
			f.unreadable(id, err)
			return
		}
		reading.Put(&d)
		return
	}
}
