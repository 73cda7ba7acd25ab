package feed

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/steady"
	"github.com/muster-iot/muster/store/keys"
	"github.com/muster-iot/muster/store/pipeline"
	"github.com/muster-iot/muster/store/record"
)

const readChunk = 500 // device records read in one trip

// Read reads every device record into the index and makes it ready. It continues after an outage of
// Redis, and returns when all are read or ctx ends. In a joined process, Note must have returned nil.
func (f *Feed) Read(ctx context.Context) {
	began := time.Now()
	err := f.scan(ctx, nil, func(_ fleet.DeviceID, d *fleet.Device) {
		if d != nil {
			f.config.Index.PutRead(d)
		}
	})
	if err != nil || f.config.Joined && !f.catchUp(ctx) {
		return
	}
	devices := f.config.Index.Finish()
	f.config.Log.Debug("index built", "devices", devices, "took", time.Since(began))
}

// Note notes how far the feeds are, before the records are read and before this process writes any.
func (f *Feed) Note(ctx context.Context) error {
	all := make([]int, keys.Parts)
	for i := range all {
		all[i] = i
	}
	if err := f.note(ctx, all); err != nil {
		return err
	}
	f.resume(all)
	return nil
}

// catchUp applies what was written while the records were read, so that the index has no older state
// than that. It returns false if ctx ends first.
func (f *Feed) catchUp(ctx context.Context) bool {
	for began := time.Now(); ; {
		for client, some := range f.config.Redis.Split(names) {
			f.poll(ctx, client, some)
		}
		if gaps := f.gaps(); len(gaps) > 0 {
			f.rescan(ctx, gaps)
		}
		caught := true
		for i := range f.parts {
			p := &f.parts[i]
			p.mu.Lock()
			caught = caught && p.state == following && !p.whole.Before(began)
			p.mu.Unlock()
		}
		if caught || !steady.Sleep(ctx, every/4) {
			return caught
		}
	}
}

// note moves parts to the ends of their feeds. What was written before is forgotten: the records must be
// read after this. The reads are those of the shared trips, which refuse a Redis that is not the store.
func (f *Feed) note(ctx context.Context, some []int) error {
	for _, i := range some {
		p := &f.parts[i]
		p.mu.Lock()
		p.state = reading
		clear(p.ahead) // these writes are before the ends that follow, or were lost
		p.mu.Unlock()
	}
	failed := make(chan error, len(some))
	var all sync.WaitGroup
	for _, i := range some {
		all.Go(func() {
			var sent *redis.SliceCmd
			_, err := pipeline.Fetch(ctx, f.config.Redis, keys.Tags(i), func(p redis.Pipeliner) pipeline.Result[[]any] {
				sent = p.HMGet(context.Background(), keys.Tags(i), "seq", "last")
				return sent
			})
			if err != nil {
				failed <- err
				return
			}
			at, _ := readPosition(sent)
			p := &f.parts[i]
			p.mu.Lock()
			defer p.mu.Unlock()
			p.at, p.absent = at, time.Time{}
			if p.whole.IsZero() {
				p.whole = time.Now()
			}
			for id, w := range p.ahead {
				if w.seq <= at.seq {
					delete(p.ahead, id)
				}
			}
		})
	}
	all.Wait()
	close(failed)
	return <-failed
}

// resume follows parts again.
func (f *Feed) resume(some []int) {
	for _, i := range some {
		p := &f.parts[i]
		p.mu.Lock()
		p.state = following
		p.mu.Unlock()
	}
}

// rescan reads the records of parts whose feed has a gap, and follows it again. It gives up only
// when ctx ends.
func (f *Feed) rescan(ctx context.Context, some []int) {
	began := time.Now()
	for {
		err := f.note(ctx, some)
		if err == nil {
			break
		}
		if !f.pause(ctx, err) {
			return
		}
	}
	var gap [keys.Parts]bool
	for _, i := range some {
		gap[i] = true
	}
	if gap[keys.Catalogs] {
		f.config.Catalog(0, "")
		f.heard.add(Edited{Unknown: true})
	}
	within := func(id fleet.DeviceID) bool { return gap[keys.Bucket(id)] }
	corrected := 0
	if !gap[keys.Catalogs] || len(some) > 1 {
		reading := f.config.Index.Reread(within)
		err := f.scan(ctx, within, func(_ fleet.DeviceID, d *fleet.Device) {
			if d != nil {
				reading.Put(d)
			}
		})
		corrected = reading.Finish(err == nil)
	}
	f.rescans.Add(uint64(len(some)))
	f.resume(some)
	f.config.Log.Info("a part of the devices was read again: the feed of other servers' changes had a gap", "parts", len(some), "corrected", corrected, "took", time.Since(began))
}

// scan calls put for every device record that within accepts, nil for all. It continues after an outage
// of Redis, and returns an error only when ctx ends first. put gets nil for a device that was deleted
// meanwhile.
func (f *Feed) scan(ctx context.Context, within func(fleet.DeviceID) bool, put func(fleet.DeviceID, *fleet.Device)) error {
	return f.config.Redis.Scan(ctx, keys.Devices, readChunk,
		func(c redis.Cmdable, names []string) error {
			if within != nil {
				names = slices.DeleteFunc(names, func(name string) bool { return !within(keys.DeviceOf(name)) })
			}
			return f.readDevices(ctx, c, names, put)
		},
		func(err error) bool { return f.pause(ctx, err) })
}

// readDevices calls put for the records of names, all of one master, some at a time: a server may
// return more names than were asked for. A record that can't be read is logged and left out.
func (f *Feed) readDevices(ctx context.Context, c redis.Cmdable, names []string, put func(fleet.DeviceID, *fleet.Device)) error {
	for some := range slices.Chunk(names, readChunk) {
		pipe := c.Pipeline()
		replies := make([]*redis.MapStringStringCmd, 0, len(some))
		for _, key := range some {
			replies = append(replies, pipe.HGetAll(ctx, key))
		}
		_ = pipeline.Exec(ctx, pipe) // each reply has its own error
		for i, reply := range replies {
			id := keys.DeviceOf(some[i])
			fields, err := reply.Result()
			if pipeline.Transient(err) {
				return err
			}
			if err == nil && len(fields) == 0 {
				put(id, nil)
				continue
			}
			d := fleet.Device{ID: id}
			if err := errors.Join(err, record.ReadDevice(fields, &d)); err != nil {
				f.unreadable(id, err)
				continue
			}
			put(id, &d)
		}
	}
	return nil
}

func (f *Feed) unreadable(id fleet.DeviceID, err error) {
	f.config.Log.Error("a device record can't be read and is left out of lists", "device", id, "err", err)
}

// pause waits before another try. The outage is logged by the pipeline.
func (f *Feed) pause(ctx context.Context, err error) bool {
	f.config.Log.Debug("reading the devices: trying again", "err", err)
	return steady.Sleep(ctx, 250*time.Millisecond)
}
