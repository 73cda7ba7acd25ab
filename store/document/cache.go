package document

import (
	"context"
	"errors"
	"maps"
	"math"
	"slices"
	"strconv"

	"github.com/redis/go-redis/v9"

	"github.com/muster-iot/muster/store/pipeline"
)

// Cached returns the newest state seen by this process, nil when it doesn't hold that.
func (s *Documents[ID, T]) Cached(id ID) *T {
	s.mu.Lock()
	defer s.mu.Unlock()
	value := s.known[id]
	if value == nil || *s.kind.Revision(value) < s.newer[id] {
		return nil
	}
	return value
}

// Tagged returns the state as Cached does, with its tag.
func (s *Documents[ID, T]) Tagged(id ID) (value *T, tag string) {
	if value = s.Cached(id); value == nil {
		return nil, ""
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known[id] != value {
		return nil, ""
	}
	return value, tagOf(*s.kind.Revision(value), s.by[id])
}

// Tag reads the tag of id: its revision and what it was written by, which name one state, also after a
// fail-over; "" if there is none.
func (s *Documents[ID, T]) Tag(ctx context.Context, id ID) (string, error) {
	words, err := pipeline.Fetch(ctx, s.redis, s.key(id), func(p redis.Pipeliner) pipeline.Result[[]any] {
		return p.HMGet(context.Background(), s.key(id), revisionField, nonceField)
	})
	if err != nil || words[0] == nil {
		return "", err
	}
	rev, _ := words[0].(string)
	by, _ := words[1].(string)
	return tagOf(parseRevision(rev), by), nil
}

func tagOf(revision uint64, by string) string { return strconv.FormatUint(revision, 10) + "." + by }

// Drop drops id from memory, unless that has the state with this tag.
func (s *Documents[ID, T]) Drop(id ID, tag string) {
	if _, is := s.Tagged(id); is != tag {
		s.Saw(id, 0)
	}
}

// Saw notes that Redis held revision rev of id; 0 means that it held none. A lower revision
// than that in memory means that Redis has older data: what is in memory is dropped.
func (s *Documents[ID, T]) Saw(id ID, rev uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := s.known[id]
	switch {
	case known == nil:
	case rev < *s.kind.Revision(known):
		s.drop(id)
	case rev > s.newer[id]:
		s.newer[id] = rev
	}
}

// Newest returns the newest revision of id that this process has seen. When it has seen none it
// returns the highest number, so that whoever compares revisions reads the document.
func (s *Documents[ID, T]) Newest(id ID) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := s.known[id]
	if known == nil {
		return math.MaxUint64
	}
	return max(*s.kind.Revision(known), s.newer[id])
}

// Compare reads the revisions of what is in memory, outside the shared trips, so that a write that
// was given up and carried out later is seen. It ends at the first error; the next call takes
// another order.
func (s *Documents[ID, T]) Compare(ctx context.Context) {
	s.mu.Lock()
	ids := slices.Collect(maps.Keys(s.known))
	s.mu.Unlock()
	for _, id := range ids {
		m, err := s.redis.Master(s.key(id))
		if err != nil {
			return
		}
		text, err := m.HGet(ctx, s.key(id), revisionField).Result()
		if err != nil && !errors.Is(err, redis.Nil) {
			return
		}
		s.Saw(id, parseRevision(text))
	}
}

// Forget drops everything in memory: Redis may hold other states than it did.
func (s *Documents[ID, T]) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.known)
	clear(s.by)
	clear(s.newer)
}

// drop is for a caller that holds s.mu.
func (s *Documents[ID, T]) drop(id ID) {
	delete(s.known, id)
	delete(s.by, id)
	delete(s.newer, id)
}

func (s *Documents[ID, T]) keep(id ID, value *T, by string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if old := s.known[id]; old != nil && *s.kind.Revision(old) > *s.kind.Revision(value) {
		return
	}
	if len(s.known) >= maxKnown && s.known[id] == nil {
		for other := range s.known {
			s.drop(other)
			break
		}
	}
	s.known[id], s.by[id] = value, by
}
