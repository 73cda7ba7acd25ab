package store

import (
	"context"

	"github.com/redis/go-redis/v9"

	"github.com/muster-iot/muster/store/pipeline"
)

// Journal keeps what was begun and must be finished, also by another process after this
// one died.
type Journal struct{ core *core }

// Open writes down that something was begun, and gives it an id to close it by. It returns
// fleet.Unavailable where Redis does not answer; it may be written down even so.
func (s *Journal) Open(ctx context.Context, record string) (id string, err error) {
	id = s.core.Nonce()
	return id, s.core.Do(ctx, func(p redis.Pipeliner) redis.Cmder { return p.HSet(context.Background(), journalKey, id, record) })
}

// Close forgets what is finished; an unknown id is not an error. It returns fleet.Unavailable
// where Redis does not answer; it may be forgotten even so.
func (s *Journal) Close(ctx context.Context, id string) error {
	return s.core.Do(ctx, func(p redis.Pipeliner) redis.Cmder { return p.HDel(context.Background(), journalKey, id) })
}

// Unfinished are the records that were opened and not closed, by id; none is an empty map.
// It returns fleet.Unavailable where Redis does not answer.
func (s *Journal) Unfinished(ctx context.Context) (map[string]string, error) {
	return pipeline.Fetch(ctx, s.core.Pipeline, func(p redis.Pipeliner) pipeline.Result[map[string]string] {
		return p.HGetAll(context.Background(), journalKey)
	})
}
