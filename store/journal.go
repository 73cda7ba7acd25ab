package store

import (
	"context"

	"github.com/redis/go-redis/v9"
)

// Journal keeps what was begun and must be finished, also by another process after this
// one died.
type Journal struct{ core *core }

// Open writes down that something was begun, and gives it an id to close it by.
func (s *Journal) Open(ctx context.Context, record string) (id string, err error) {
	id = s.core.nonce()
	return id, s.core.writes.do(ctx, &fetch[int64]{send: func(p redis.Pipeliner) result[int64] {
		return p.HSet(background, journalKey, id, record)
	}})
}

// Close forgets what is finished.
func (s *Journal) Close(ctx context.Context, id string) error {
	return s.core.writes.do(ctx, &fetch[int64]{send: func(p redis.Pipeliner) result[int64] {
		return p.HDel(background, journalKey, id)
	}})
}

// Unfinished are the records that were opened and not closed, by id.
func (s *Journal) Unfinished(ctx context.Context) (map[string]string, error) {
	return read(ctx, s.core, func(p redis.Pipeliner) result[map[string]string] { return p.HGetAll(background, journalKey) })
}
