package store

import (
	"context"

	"github.com/redis/go-redis/v9"
)

// Journal keeps what was begun and must be finished, also by another process after this
// one died.
type Journal struct{ core *core }

// Open writes down that something was begun, and gives it an id to close it by. It returns
// fleet.Unavailable where Redis does not answer; it may be written down even so.
func (s *Journal) Open(ctx context.Context, record string) (id string, err error) {
	id = s.core.nonce()
	return id, s.core.write(ctx, func(p redis.Pipeliner) redis.Cmder { return p.HSet(background, journalKey, id, record) })
}

// Close forgets what is finished; an unknown id is not an error. It returns fleet.Unavailable
// where Redis does not answer; it may be forgotten even so.
func (s *Journal) Close(ctx context.Context, id string) error {
	return s.core.write(ctx, func(p redis.Pipeliner) redis.Cmder { return p.HDel(background, journalKey, id) })
}

// Unfinished are the records that were opened and not closed, by id; none is an empty map.
// It returns fleet.Unavailable where Redis does not answer.
func (s *Journal) Unfinished(ctx context.Context) (map[string]string, error) {
	return read(ctx, s.core, func(p redis.Pipeliner) result[map[string]string] { return p.HGetAll(background, journalKey) })
}
