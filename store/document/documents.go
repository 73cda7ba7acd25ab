package document

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strconv"
	"sync"

	"github.com/redis/go-redis/v9"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/store/pipeline"
)

//go:embed write.lua
var writeSource string

// Script writes documents; the pipeline must load it.
var Script = pipeline.NewScript(writeSource)

const (
	maxKnown     = 10_000 // documents of one kind in memory; beyond, any one is dropped for the next
	maxConflicts = 256    // tries of one change
)

// Fields of every hash, besides those of its kind.
const (
	revisionField = "rev"
	nonceField    = "by" // of the last write
)

// Kind is how values of type T are kept.
type Kind[T any] struct {
	Name     string          // for errors
	Fields   func(*Hash, *T) // visits all fields, to write or to read them
	Clone    func(*T) *T     // copies what a change may touch; the copy has no nil maps
	Revision func(*T) *uint64
}

// Write returns the fields of value.
func (k Kind[T]) Write(value *T) map[string]string {
	h := Hash{fields: map[string]string{}}
	k.Fields(&h, value)
	return h.fields
}

// Read returns the value of fields.
func (k Kind[T]) Read(fields map[string]string) (*T, error) {
	value := k.Clone(new(T))
	h := Hash{reading: true, fields: fields}
	k.Fields(&h, value)
	return value, h.err
}

// Documents are the documents of one kind. They are safe for concurrent use.
type Documents[ID comparable, T any] struct {
	redis *pipeline.Pipeline
	kind  Kind[T]
	key   func(ID) string

	mu    sync.Mutex
	known map[ID]*T     // guarded by mu
	by    map[ID]string // nonces of the writes that made what is known; guarded by mu
	newer map[ID]uint64 // revisions known to exist in Redis; guarded by mu
}

// New returns the documents of kind k, which are in the hashes that key names.
func New[ID comparable, T any](p *pipeline.Pipeline, k Kind[T], key func(ID) string) *Documents[ID, T] {
	return &Documents[ID, T]{redis: p, kind: k, key: key, known: map[ID]*T{}, by: map[ID]string{}, newer: map[ID]uint64{}}
}

// Load reads id from Redis; fleet.NotFound when there is none.
func (s *Documents[ID, T]) Load(ctx context.Context, id ID) (*T, error) {
	fields, err := pipeline.Fetch(ctx, s.redis, s.key(id), func(p redis.Pipeliner) pipeline.Result[map[string]string] {
		return p.HGetAll(context.Background(), s.key(id))
	})
	if err != nil {
		return nil, err
	}
	if len(fields) == 0 {
		s.Saw(id, 0)
		return nil, s.absent(id)
	}
	revision, by := parseRevision(fields[revisionField]), fields[nonceField]
	delete(fields, revisionField)
	delete(fields, nonceField)
	value, err := s.kind.Read(fields)
	if err != nil {
		return nil, err
	}
	*s.kind.Revision(value) = revision
	s.keep(id, value, by)
	return value, nil
}

// Get returns the newest state seen by this process, without a round trip if it holds
// that; fleet.NotFound when there is none.
func (s *Documents[ID, T]) Get(ctx context.Context, id ID) (*T, error) {
	if value := s.Cached(id); value != nil {
		return value, nil
	}
	return s.Load(ctx, id)
}

// Live returns the state like Get, but first compares the revision with Redis, so that a change by another
// process is seen.
func (s *Documents[ID, T]) Live(ctx context.Context, id ID) (*T, error) {
	value := s.Cached(id)
	if value == nil {
		return s.Load(ctx, id)
	}
	rev, err := s.revision(ctx, id)
	if err != nil {
		return nil, err
	}
	if rev == *s.kind.Revision(value) {
		return value, nil
	}
	return s.Load(ctx, id)
}

// revision reads the revision of id, 0 if there is none.
func (s *Documents[ID, T]) revision(ctx context.Context, id ID) (uint64, error) {
	text, err := pipeline.Fetch(ctx, s.redis, s.key(id), func(p redis.Pipeliner) pipeline.Result[string] {
		return p.HGet(context.Background(), s.key(id), revisionField)
	})
	if err != nil && !errors.Is(err, redis.Nil) {
		return 0, err
	}
	return parseRevision(text), nil
}

// parseRevision returns 0 for a text that is not a revision.
func parseRevision(text string) uint64 {
	n, _ := strconv.ParseUint(text, 10, 64)
	return n
}

// Edit changes a copy of id and writes it. It returns what was written. change gets a fresh
// copy each time another change came first, so it may run several times; an error of change
// leaves the document as it is. Edit returns fleet.Busy when the document keeps changing.
func (s *Documents[ID, T]) Edit(ctx context.Context, id ID, change func(*T) error) (changed *T, err error) {
	latest := s.Get
	err = UntilSaved(fmt.Sprintf("%s %v", s.kind.Name, id), func() (again bool, err error) {
		value, err := latest(ctx, id)
		if err != nil {
			return false, err
		}
		latest = s.Load
		changed = s.kind.Clone(value)
		if err := change(changed); err != nil {
			return false, err
		}
		err = s.write(ctx, id, s.kind.Write(value), changed)
		return errors.Is(err, fleet.Conflict), err
	})
	if err != nil {
		return nil, err
	}
	return changed, nil
}

// EditOrCreate edits a document that need not exist: then change gets an empty one.
func (s *Documents[ID, T]) EditOrCreate(ctx context.Context, id ID, change func(*T) error) (changed *T, err error) {
	changed, err = s.Edit(ctx, id, change)
	if !errors.Is(err, fleet.NotFound) {
		return changed, err
	}
	if err := s.Create(ctx, id, new(T)); err != nil && !errors.Is(err, fleet.Conflict) {
		return nil, err
	}
	return s.Edit(ctx, id, change)
}

// UntilSaved calls try, which changes and saves something, until it no longer reports that
// another change came first. It returns the error of try, or fleet.Busy after 256 tries.
func UntilSaved(what string, try func() (again bool, err error)) error {
	for range maxConflicts {
		if again, err := try(); !again {
			return err
		}
	}
	return fleet.Errorf(fleet.Busy, "%s changes too often: try again", what)
}

// Create writes a new document; fleet.Conflict when id exists.
func (s *Documents[ID, T]) Create(ctx context.Context, id ID, value *T) error {
	*s.kind.Revision(value) = 0
	return s.write(ctx, id, nil, value)
}

// write makes value the state after the one whose fields are old, and sets its revision.
func (s *Documents[ID, T]) write(ctx context.Context, id ID, old map[string]string, value *T) error {
	return s.writeAs(ctx, id, old, value, *s.kind.Revision(value)+1)
}

// Raise gives id a revision above one that it may have had before, without a change of it.
func (s *Documents[ID, T]) Raise(ctx context.Context, id ID, above uint64) error {
	value, err := s.Load(ctx, id)
	if err != nil {
		return err
	}
	raised, fields := s.kind.Clone(value), s.kind.Write(value)
	return s.writeAs(ctx, id, fields, raised, max(above, *s.kind.Revision(value))+1)
}

// writeAs writes value with the revision that it then has.
func (s *Documents[ID, T]) writeAs(ctx context.Context, id ID, old map[string]string, value *T, next uint64) error {
	nonce := s.redis.Nonce()
	sets, drops := difference(old, s.kind.Write(value))
	args := make([]any, 0, 4+len(sets)+len(drops))
	args = append(args, strconv.FormatUint(*s.kind.Revision(value), 10), strconv.FormatUint(next, 10), nonce, len(sets))
	args = append(append(args, sets...), drops...)
	status, err := s.redis.RunStatus(ctx, Script, []string{s.key(id)}, args...)
	switch {
	case err != nil:
		s.Saw(id, 0) // it may have been written
		return err
	case status == 0:
		return fleet.Errorf(fleet.Conflict, "%s %v was changed by someone else meanwhile", s.kind.Name, id)
	case status < 0:
		s.Saw(id, 0)
		return s.absent(id)
	}
	*s.kind.Revision(value) = next
	s.keep(id, value, nonce)
	return nil
}

// Remove deletes id. It is not an error when there is none.
func (s *Documents[ID, T]) Remove(ctx context.Context, id ID) error {
	err := s.redis.Do(ctx, s.key(id), func(p redis.Pipeliner) redis.Cmder { return p.Del(context.Background(), s.key(id)) })
	if err == nil {
		s.Saw(id, 0)
	}
	return err
}

func (s *Documents[ID, T]) absent(id ID) error {
	return fleet.Errorf(fleet.NotFound, "no such %s: %v", s.kind.Name, id)
}

// difference returns the fields with values to set and the fields to delete that lead from
// one state to another.
func difference(from, to map[string]string) (sets, drops []any) {
	for field, value := range to {
		if old, ok := from[field]; !ok || old != value {
			sets = append(sets, field, value)
		}
	}
	for field := range from {
		if _, ok := to[field]; !ok {
			drops = append(drops, field)
		}
	}
	return sets, drops
}
