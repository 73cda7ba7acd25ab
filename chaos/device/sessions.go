package device

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/muster-iot/muster/bench/process"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/store/keys"
	"github.com/muster-iot/muster/store/redistest"
)

// Sessions watches the number of the session in each device's record, past the servers: it never falls, but
// where a replica took over from a master that had not sent it everything.
type Sessions struct {
	Failovers atomic.Int64 // begun and ended: odd while one is in progress
	Judged    atomic.Int64 // samples of the whole fleet that were compared with the one before

	mu    sync.Mutex
	wrong []string // guarded by mu
}

// Key is that of a device's record.
func Key(id fleet.DeviceID) string { return keys.Device(id.In(1)) }

// Watch samples until ctx ends.
func (s *Sessions) Watch(ctx context.Context, c *redistest.Cluster, ids []fleet.DeviceID) {
	const every = 300 * time.Millisecond
	before, at := map[fleet.DeviceID]uint64{}, int64(-1)
	for ; ctx.Err() == nil; _ = process.Pause(ctx, every) {
		epoch := s.Failovers.Load()
		now, err := sampled(ctx, c, ids)
		if err != nil || epoch != s.Failovers.Load() || epoch%2 == 1 {
			continue
		}
		if epoch == at {
			s.Judged.Add(1)
			s.compare(ids, before, now)
		}
		before, at = now, epoch
	}
}

func (s *Sessions) compare(ids []fleet.DeviceID, before, now map[fleet.DeviceID]uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range ids {
		if now[id] < before[id] {
			s.wrong = append(s.wrong, fmt.Sprintf("the session of %s went from %d to %d", id, before[id], now[id]))
		}
	}
}

// Wrong returns which sessions fell.
func (s *Sessions) Wrong() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.wrong...)
}

// sampled reads the sessions of all devices from their masters.
func sampled(ctx context.Context, c *redistest.Cluster, ids []fleet.DeviceID) (map[fleet.DeviceID]uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	pipe := c.Client.Pipeline()
	for _, id := range ids {
		pipe.HGet(ctx, Key(id), "se")
	}
	answers, _ := pipe.Exec(ctx) // each has its own error
	all := make(map[fleet.DeviceID]uint64, len(ids))
	for i, answer := range answers {
		text, ok := answer.(interface{ Result() (string, error) })
		if !ok {
			return nil, fmt.Errorf("%v is not an answer to HGET", answer)
		}
		value, err := text.Result()
		if err != nil && err.Error() != "redis: nil" { // without a session so far
			return nil, err
		}
		all[ids[i]], _ = strconv.ParseUint(value, 10, 64)
	}
	return all, nil
}
