package store

import (
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/store/pipeline"
	"github.com/muster-iot/muster/store/record"
)

const readChunk = 500 // device records read in one trip

// readAll reads every device record into the index and makes it ready. It continues after an
// outage of Redis, and returns when all are read or ctx ends.
func (s *Devices) readAll(ctx context.Context) {
	began := time.Now()
	for cursor := uint64(0); ; {
		keys, next, err := s.core.Client.Scan(ctx, cursor, deviceKeys, readChunk).Result()
		if err == nil {
			err = s.readDevices(ctx, keys)
		}
		if err != nil {
			if !s.pause(ctx, err) {
				return
			}
			continue // the same cursor again
		}
		if cursor = next; cursor == 0 {
			break
		}
	}
	devices := s.index.Finish()
	s.core.log.Debug("index built", "devices", devices, "took", time.Since(began))
}

// readDevices puts the records of keys into the index, some at a time: a server may return
// more keys than were asked for.
func (s *Devices) readDevices(ctx context.Context, keys []string) error {
	for len(keys) > 0 {
		some := keys[:min(len(keys), readChunk)]
		keys = keys[len(some):]
		pipe := s.core.Client.Pipeline()
		replies := make([]*redis.MapStringStringCmd, 0, len(some))
		for _, key := range some {
			replies = append(replies, pipe.HGetAll(ctx, key))
		}
		if _, err := pipe.Exec(ctx); pipeline.Transient(err) {
			return err
		}
		for i, reply := range replies {
			fields, err := reply.Result()
			if err == nil && len(fields) == 0 {
				continue // deleted meanwhile
			}
			d := fleet.Device{ID: deviceOfKey(some[i])}
			if err := errors.Join(err, record.ReadDevice(fields, &d)); err != nil {
				s.core.log.Error("a device record can't be read and is left out of lists", "device", d.ID, "err", err)
				continue
			}
			s.index.PutRead(&d)
		}
	}
	return nil
}

func (s *Devices) pause(ctx context.Context, err error) bool {
	if ctx.Err() == nil {
		s.core.log.Warn("reading the devices: redis does not answer, trying again", "err", err)
	}
	select {
	case <-ctx.Done():
		return false
	case <-time.After(250 * time.Millisecond):
		return true
	}
}
