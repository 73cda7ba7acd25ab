// Package journal keeps records of what was begun and must be finished, if need be by the next process.
package journal

import (
	"context"

	"github.com/redis/go-redis/v9"

	"github.com/muster-iot/muster/store/pipeline"
)

// Journal is the records of one hash. It is safe for concurrent use.
type Journal struct {
	redis *pipeline.Pipeline
	key   string
}

// New returns the journal in the hash key.
func New(p *pipeline.Pipeline, key string) *Journal { return &Journal{redis: p, key: key} }

// fenced is the record of an id that must not be finished any more.
const fenced = ""

// Open stores a record and returns the id to close it by. After fleet.Unavailable it may have
// been stored, or may still be: Fence the id.
func (s *Journal) Open(ctx context.Context, record string) (id string, err error) {
	id = s.redis.Nonce()
	return id, s.redis.Do(ctx, s.key, func(p redis.Pipeliner) redis.Cmder { return p.HSetNX(context.Background(), s.key, id, record) })
}

// Close removes the record of something that is finished. An unknown id is not an error. After
// fleet.Unavailable it may have been removed.
func (s *Journal) Close(ctx context.Context, id string) error {
	return s.redis.Do(ctx, s.key, func(p redis.Pipeliner) redis.Cmder { return p.HDel(context.Background(), s.key, id) })
}

// Fence closes an id whose Open or Close failed, so that it holds even if Redis carries out
// those commands later. The id stays in Redis until it is closed.
func (s *Journal) Fence(ctx context.Context, id string) error {
	return s.redis.Do(ctx, s.key, func(p redis.Pipeliner) redis.Cmder { return p.HSet(context.Background(), s.key, id, fenced) })
}

// Unfinished returns the records that were opened and neither closed nor fenced, by id, and
// closes those that were fenced. No other process may use the journal.
func (s *Journal) Unfinished(ctx context.Context) (map[string]string, error) {
	records, err := pipeline.Fetch(ctx, s.redis, s.key, func(p redis.Pipeliner) pipeline.Result[map[string]string] {
		return p.HGetAll(context.Background(), s.key)
	})
	if err != nil {
		return nil, err
	}
	for id, record := range records {
		if record != fenced {
			continue
		}
		if err := s.Close(ctx, id); err != nil {
			return nil, err
		}
		delete(records, id)
	}
	return records, nil
}
