package store

import (
	"context"

	"github.com/redis/go-redis/v9"

	"github.com/muster-iot/muster/store/pipeline"
)

// Journal keeps records of what was begun and must be finished, if need be by the next process.
type Journal struct{ core *core }

// Open stores a record and returns the id to close it by. After fleet.Unavailable it may have
// been stored.
func (s *Journal) Open(ctx context.Context, record string) (id string, err error) {
	id = s.core.Nonce()
	return id, s.core.Do(ctx, func(p redis.Pipeliner) redis.Cmder { return p.HSet(context.Background(), journalKey, id, record) })
}

// Close removes the record of something that is finished. An unknown id is not an error. After
// fleet.Unavailable it may have been removed.
func (s *Journal) Close(ctx context.Context, id string) error {
	return s.core.Do(ctx, func(p redis.Pipeliner) redis.Cmder { return p.HDel(context.Background(), journalKey, id) })
}

// Unfinished returns the records that were opened and not closed, by id.
func (s *Journal) Unfinished(ctx context.Context) (map[string]string, error) {
	return pipeline.Fetch(ctx, s.core.Pipeline, func(p redis.Pipeliner) pipeline.Result[map[string]string] {
		return p.HGetAll(context.Background(), journalKey)
	})
}
