package store

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/store/keys"
	"github.com/muster-iot/muster/store/pipeline"
	"github.com/muster-iot/muster/store/record"
)

const readChunk = 500 // device records read in one trip

// readAll reads every device record into the index and makes it ready. It continues after an
// outage of Redis, and returns when all are read or ctx ends.
func (s *Devices) readAll(ctx context.Context) {
	began := time.Now()
	err := s.scan(ctx, func(id fleet.DeviceID, d *fleet.Device) {
		if d != nil {
			s.index.PutRead(d)
		}
	})
	if err != nil {
		return
	}
	devices := s.index.Finish()
	s.core.log.Debug("index built", "devices", devices, "took", time.Since(began))
}

// scan calls put for every device record. It continues after an outage of Redis, and returns an
// error only when ctx ends first. put gets nil for a device that was deleted meanwhile.
func (s *Devices) scan(ctx context.Context, put func(fleet.DeviceID, *fleet.Device)) error {
	return s.core.Scan(ctx, keys.Devices, readChunk,
		func(c *redis.Client, names []string) error { return s.readDevices(ctx, c, names, put) },
		func(err error) bool { return s.pause(ctx, err) })
}

// readDevices calls put for the records of names, all of one master, some at a time: a server may
// return more names than were asked for. A record that can't be read is logged and left out.
func (s *Devices) readDevices(ctx context.Context, c redis.Cmdable, names []string, put func(fleet.DeviceID, *fleet.Device)) error {
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
				s.core.log.Error("a device record can't be read and is left out of lists", "device", d.ID, "err", err)
				continue
			}
			put(id, &d)
		}
	}
	return nil
}

// pause waits before another try. The outage is logged by the pipeline.
func (s *Devices) pause(ctx context.Context, err error) bool {
	s.core.log.Debug("reading the devices: trying again", "err", err)
	return sleep(ctx, 250*time.Millisecond)
}
