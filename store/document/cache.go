package document

import (
	"context"
	"errors"
	"maps"
	"math"
	"slices"

	"github.com/redis/go-redis/v9"
)

// Cached returns the newest state this process knows to exist, nil when it doesn't hold that.
func (s *Documents[ID, T]) Cached(id ID) *T {
	s.mu.Lock()
	defer s.mu.Unlock()
	value := s.known[id]
	if value == nil || *s.kind.Revision(value) < s.newer[id] {
		return nil
	}
	return value
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
		delete(s.known, id)
		delete(s.newer, id)
	case rev > s.newer[id]:
		s.newer[id] = rev
	}
}

// Newest returns the newest revision of id that this process knows of. When it knows of none it
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
	clear(s.newer)
}

func (s *Documents[ID, T]) keep(id ID, value *T) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if old := s.known[id]; old != nil && *s.kind.Revision(old) > *s.kind.Revision(value) {
		return
	}
	if len(s.known) >= maxKnown && s.known[id] == nil {
		for other := range s.known {
			delete(s.known, other)
			delete(s.newer, other)
			break
		}
	}
	s.known[id] = value
}
