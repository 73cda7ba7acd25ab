package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"sync"

	"github.com/redis/go-redis/v9"

	"github.com/muster-iot/muster/fleet"
)

// kind says how values of type T are kept as documents: hashes with a revision, changed
// as a whole by compare-and-set, of which only the fields that differ are written.
type kind[T any] struct {
	name     string          // for errors
	clone    func(*T) *T     // copies what a change may touch; has no nil maps
	fields   func(*hash, *T) // visits them all, to write or to read
	revision func(*T) *uint64
}

func (k kind[T]) write(value *T) map[string]string {
	h := hash{fields: map[string]string{}}
	k.fields(&h, value)
	return h.fields
}

func (k kind[T]) read(fields map[string]string) (*T, error) {
	value := k.clone(new(T))
	h := hash{reading: true, fields: fields}
	k.fields(&h, value)
	return value, h.err
}

// documents are the documents of one kind, with the last seen state of each in memory.
// Values handed out are shared and never modified.
type documents[ID comparable, T any] struct {
	core *core
	kind kind[T]
	key  func(ID) string

	mu    sync.Mutex
	known map[ID]*T     // guarded by mu
	newer map[ID]uint64 // revisions known to exist in Redis; guarded by mu
}

func newDocuments[ID comparable, T any](c *core, k kind[T], key func(ID) string) *documents[ID, T] {
	return &documents[ID, T]{core: c, kind: k, key: key, known: map[ID]*T{}, newer: map[ID]uint64{}}
}

// maxDocuments bounds what is kept in memory of one kind; beyond, any one makes room.
const maxDocuments = 10_000

// cached returns the newest state this process knows to exist, nil when it holds none.
func (s *documents[ID, T]) cached(id ID) *T {
	s.mu.Lock()
	defer s.mu.Unlock()
	value := s.known[id]
	if value == nil || *s.kind.revision(value) < s.newer[id] {
		return nil
	}
	return value
}

// saw records that Redis held revision rev of id; 0 says that it held none.
func (s *documents[ID, T]) saw(id ID, rev uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case rev == 0:
		delete(s.known, id)
		delete(s.newer, id)
	case rev > s.newer[id] && s.known[id] != nil:
		s.newer[id] = rev
	}
}

func (s *documents[ID, T]) keep(id ID, value *T) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if old := s.known[id]; old != nil && *s.kind.revision(old) > *s.kind.revision(value) {
		return
	}
	if len(s.known) >= maxDocuments && s.known[id] == nil {
		for other := range s.known {
			delete(s.known, other)
			delete(s.newer, other)
			break
		}
	}
	s.known[id] = value
}

// load reads id from Redis.
func (s *documents[ID, T]) load(ctx context.Context, id ID) (*T, error) {
	fields, err := read(ctx, s.core, func(p redis.Pipeliner) result[map[string]string] {
		return p.HGetAll(background, s.key(id))
	})
	if err != nil {
		return nil, err
	}
	if len(fields) == 0 {
		s.saw(id, 0)
		return nil, fleet.Errorf(fleet.NotFound, "no such %s: %v", s.kind.name, id)
	}
	revision := decimal(fields["rev"])
	delete(fields, "rev")
	delete(fields, "by")
	value, err := s.kind.read(fields)
	if err != nil {
		return nil, err
	}
	*s.kind.revision(value) = revision
	s.keep(id, value)
	return value, nil
}

// get returns the newest state this process knows of, without a trip where it holds it.
func (s *documents[ID, T]) get(ctx context.Context, id ID) (*T, error) {
	if value := s.cached(id); value != nil {
		return value, nil
	}
	return s.load(ctx, id)
}

// live is get with one look at the revision in Redis, so that a change by another
// process is seen.
func (s *documents[ID, T]) live(ctx context.Context, id ID) (*T, error) {
	value := s.cached(id)
	if value == nil {
		return s.load(ctx, id)
	}
	text, err := read(ctx, s.core, func(p redis.Pipeliner) result[string] { return p.HGet(background, s.key(id), "rev") })
	if err != nil && !errors.Is(err, redis.Nil) {
		return nil, err
	}
	if decimal(text) == *s.kind.revision(value) {
		return value, nil
	}
	return s.load(ctx, id)
}

// edit changes a copy of id and writes it, again with a fresh copy while another change
// comes first. It returns what was written. change may run several times; an error of change
// leaves the document as it is.
func (s *documents[ID, T]) edit(ctx context.Context, id ID, change func(*T) error) (changed *T, err error) {
	latest := s.get
	err = untilSaved(fmt.Sprintf("%s %v", s.kind.name, id), func() (again bool, err error) {
		value, err := latest(ctx, id)
		if err != nil {
			return false, err
		}
		latest = s.load
		changed = s.kind.clone(value)
		if err := change(changed); err != nil {
			return false, err
		}
		err = s.write(ctx, id, s.kind.write(value), changed)
		return errors.Is(err, fleet.Conflict), err
	})
	if err != nil {
		return nil, err
	}
	return changed, nil
}

// maxConflicts bounds how often one change is made again because another came first.
const maxConflicts = 256

// untilSaved calls try until it no longer reports that another change came first. It returns
// the error of try, or fleet.Busy.
func untilSaved(what string, try func() (again bool, err error)) error {
	for range maxConflicts {
		if again, err := try(); !again {
			return err
		}
	}
	return fleet.Errorf(fleet.Busy, "%s changes too often: try again", what)
}

// create writes a new document. It returns a Conflict when id exists.
func (s *documents[ID, T]) create(ctx context.Context, id ID, value *T) error {
	*s.kind.revision(value) = 0
	return s.write(ctx, id, nil, value)
}

// write makes value the state after the one whose fields are old, and sets its revision.
func (s *documents[ID, T]) write(ctx context.Context, id ID, old map[string]string, value *T) error {
	revision := *s.kind.revision(value)
	sets, drops := difference(old, s.kind.write(value))
	args := make([]any, 0, 4+len(sets)+len(drops))
	args = append(args, strconv.FormatUint(revision, 10), strconv.FormatUint(revision+1, 10), s.core.nonce(), len(sets))
	args = append(append(args, sets...), drops...)
	status, err := s.core.runStatus(ctx, documentScript, []string{s.key(id)}, args...)
	switch {
	case err != nil:
		return err
	case status == 0:
		return fleet.Errorf(fleet.Conflict, "%s %v was changed by someone else meanwhile", s.kind.name, id)
	case status < 0:
		s.saw(id, 0)
		return fleet.Errorf(fleet.NotFound, "no such %s: %v", s.kind.name, id)
	}
	*s.kind.revision(value) = revision + 1
	s.keep(id, value)
	return nil
}

// remove deletes id. Absence is not an error.
func (s *documents[ID, T]) remove(ctx context.Context, id ID) error {
	err := s.core.write(ctx, func(p redis.Pipeliner) redis.Cmder { return p.Del(background, s.key(id)) })
	if err == nil {
		s.saw(id, 0)
	}
	return err
}

// difference lists the fields with values to set and the fields to delete that lead from
// one state to another.
func difference(from, to map[string]string) (sets, drops []any) {
	for field, value := range to {
		if old, ok := from[field]; !ok || old != value {
			sets = append(sets, field, value)
		}
	}
	for field := range maps.Keys(from) {
		if _, ok := to[field]; !ok {
			drops = append(drops, field)
		}
	}
	return sets, drops
}
