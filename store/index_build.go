package store

import (
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"
)

const buildChunk = 500 // device records read in one trip

// build reads every device record. It goes on where Redis was away in between, and ends
// when all are read or ctx ends.
func (x *Index) build(ctx context.Context) {
	began := time.Now()
	for cursor := uint64(0); ; {
		keys, next, err := x.core.client.Scan(ctx, cursor, deviceKeys, buildChunk).Result()
		if err == nil {
			err = x.readDevices(ctx, keys)
		}
		if err != nil {
			if !x.pause(ctx, err) {
				return
			}
			continue // the same cursor again
		}
		if cursor = next; cursor == 0 {
			break
		}
	}
	x.mu.Lock()
	x.removed = nil
	devices := len(x.places)
	x.mu.Unlock()
	x.arrange()
	close(x.built)
	x.core.log.Debug("index built", "devices", devices, "took", time.Since(began))
}

// readDevices puts the records of keys into the index, some at a time: a server that
// ignores the wished chunk gives them all at once.
func (x *Index) readDevices(ctx context.Context, keys []string) error {
	for len(keys) > 0 {
		some := keys[:min(len(keys), buildChunk)]
		keys = keys[len(some):]
		pipe := x.core.client.Pipeline()
		replies := make([]*redis.MapStringStringCmd, 0, len(some))
		for _, key := range some {
			replies = append(replies, pipe.HGetAll(ctx, key))
		}
		if _, err := pipe.Exec(ctx); passing(err) {
			return err
		}
		for i, reply := range replies {
			fields, err := reply.Result()
			if err == nil && len(fields) == 0 {
				continue // deleted meanwhile
			}
			d, parsed := parseDevice(deviceOfKey(some[i]), fields)
			if err := errors.Join(err, parsed); err != nil {
				x.core.log.Error("a device record can't be read and is left out of lists", "device", deviceOfKey(some[i]), "err", err)
				continue
			}
			x.putRead(&d)
		}
	}
	return nil
}

func (x *Index) pause(ctx context.Context, err error) bool {
	if ctx.Err() == nil {
		x.core.log.Warn("reading the devices: redis does not answer, trying again", "err", err)
	}
	select {
	case <-ctx.Done():
		return false
	case <-time.After(250 * time.Millisecond):
		return true
	}
}
