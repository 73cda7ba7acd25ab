// Package journal keeps records of what was begun and must be finished, if need be by the next process.
package journal

import (
	"context"
	_ "embed"
	"errors"
	"maps"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"

	"github.com/muster-iot/muster/store/pipeline"
)

var (
	//go:embed adopt.lua
	adoptSource string
	adoptScript = pipeline.NewScript(adoptSource)

	//go:embed amend.lua
	amendSource string
	amendScript = pipeline.NewScript(amendSource)
)

// Scripts are those the pipeline must load.
func Scripts() []*pipeline.Script { return []*pipeline.Script{adoptScript, amendScript} }

// Owners are the processes that may use a journal at the same time.
type Owners interface {
	// ID names this process; "" if no other one uses the journal.
	ID() string
	// Alive reports whether a process may still finish what it began.
	Alive(id string) bool
}

// Journal is the records of one hash. It is safe for concurrent use.
type Journal struct {
	redis  *pipeline.Pipeline
	key    string
	owners Owners

	mu      sync.Mutex
	adopted map[string]bool // records of dead owners that this process took and has not closed; guarded by mu
}

// New returns the journal in the hash key, which owners use at the same time.
func New(p *pipeline.Pipeline, key string, owners Owners) *Journal {
	return &Journal{redis: p, key: key, owners: owners, adopted: make(map[string]bool)}
}

// newID returns the id of a record of this process: the name of its owner, if there are several, and a
// nonce.
func (s *Journal) newID() string {
	if owner := s.owners.ID(); owner != "" {
		return owner + "/" + s.redis.Nonce()
	}
	return s.redis.Nonce()
}

// fenced is the record of an id that must not be finished any more.
const fenced = ""

// InTerm returns ctx for what a record is about: it writes nothing after another process may have adopted the record.
func (s *Journal) InTerm(ctx context.Context) context.Context { return s.redis.InTerm(ctx) }

// Open stores a record and returns the id to close it by. After fleet.Unavailable it may have
// been stored, or may still be: Fence the id.
func (s *Journal) Open(ctx context.Context, record string) (id string, err error) {
	id = s.newID()
	return id, s.redis.Do(ctx, s.key, func(p redis.Pipeliner) redis.Cmder { return p.HSetNX(context.Background(), s.key, id, record) })
}

// Close removes the record of something that is finished. An unknown id is not an error. After
// fleet.Unavailable it may have been removed.
func (s *Journal) Close(ctx context.Context, id string) error {
	err := s.redis.Do(ctx, s.key, func(p redis.Pipeliner) redis.Cmder { return p.HDel(context.Background(), s.key, id) })
	if err == nil {
		s.note(id, false)
	}
	return err
}

// Fence closes an id whose Open or Close failed, so that it holds even if Redis carries out
// those commands later. The id stays in Redis until it is closed.
func (s *Journal) Fence(ctx context.Context, id string) error {
	return s.redis.Do(ctx, s.key, func(p redis.Pipeliner) redis.Cmder { return p.HSet(context.Background(), s.key, id, fenced) })
}

// Unfinished returns the records that were opened and neither closed nor fenced, by id, and
// closes those that were fenced. Records of other owners that live are theirs; those of dead ones
// belong to this process from then on.
func (s *Journal) Unfinished(ctx context.Context) (map[string]string, error) {
	records, err := s.all(ctx)
	if err != nil {
		return nil, err
	}
	unfinished := map[string]string{}
	for id, record := range records {
		switch {
		case s.owners.Alive(Owner(id)):
			if s.isAdopted(id) { // an earlier call returned it, and it was not finished
				unfinished[id] = record
			}
		case record == fenced:
			if err := s.Close(ctx, id); err != nil {
				return nil, err
			}
		case s.owners.ID() == "":
			unfinished[id] = record
		default:
			id, record, err := s.adopt(ctx, id)
			if err != nil {
				return nil, err
			}
			if record != fenced {
				unfinished[id] = record
			}
		}
	}
	return unfinished, nil
}

// Opened returns all records that were opened and neither closed nor fenced, by id, whoever they belong to.
func (s *Journal) Opened(ctx context.Context) (map[string]string, error) {
	records, err := s.all(ctx)
	maps.DeleteFunc(records, func(_, record string) bool { return record == fenced })
	return records, err
}

// all returns the records, those that were fenced, too, by id.
func (s *Journal) all(ctx context.Context) (map[string]string, error) {
	return pipeline.Fetch(ctx, s.redis, s.key, func(p redis.Pipeliner) pipeline.Result[map[string]string] {
		return p.HGetAll(context.Background(), s.key)
	})
}

// Owner returns the process that an id belongs to, "" for one that was the only one.
func Owner(id string) string {
	owner, _, owned := strings.Cut(id, "/")
	if !owned {
		return ""
	}
	return owner
}

// adopt makes a record this process's and returns its new id, and the record as it is by now: fenced if
// another process was first.
func (s *Journal) adopt(ctx context.Context, id string) (adopted, record string, err error) {
	adopted = s.newID()
	s.note(adopted, true) // first: after an error it may be this process's
	reply, err := s.redis.Run(ctx, adoptScript, []string{s.key}, id, adopted)
	record, _ = reply.(string)
	if err == nil && record == fenced {
		s.note(adopted, false)
	}
	return adopted, record, err
}

// Amend replaces each record that another process opened by what amend returns for it, the same or a shorter
// one; amend may be called again for a record that changes meanwhile, and returns "" for one that is not to be
// finished. So whoever does something newer has it left alone, should that process have ended.
func (s *Journal) Amend(ctx context.Context, amend func(record string) string) error {
	if s.owners.ID() == "" {
		return nil
	}
	for {
		records, err := s.all(ctx)
		if err != nil {
			return err
		}
		missed := false
		for id, record := range records {
			if record == fenced || Owner(id) == s.owners.ID() && !s.isAdopted(id) {
				continue
			}
			amended := amend(record)
			if amended == record {
				continue
			}
			done, err := s.redis.RunStatus(ctx, amendScript, []string{s.key}, id, record, amended)
			if err != nil {
				return err
			}
			missed = missed || done == 0
		}
		if !missed {
			return nil
		}
	}
}

// Record returns the record of an id as it is now, "" if it was closed, or is not to be finished.
func (s *Journal) Record(ctx context.Context, id string) (string, error) {
	record, err := pipeline.Fetch(ctx, s.redis, s.key, func(p redis.Pipeliner) pipeline.Result[string] {
		return p.HGet(context.Background(), s.key, id)
	})
	if errors.Is(err, redis.Nil) {
		return fenced, nil
	}
	return record, err
}

// Size returns the length of the record of an id as it is now, in bytes; 0 if it was closed, or is not to be
// finished. A record that was amended is shorter.
func (s *Journal) Size(ctx context.Context, id string) (int64, error) {
	return pipeline.Fetch(ctx, s.redis, s.key, func(p redis.Pipeliner) pipeline.Result[int64] {
		return p.HStrLen(context.Background(), s.key, id)
	})
}

func (s *Journal) note(id string, adopted bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if adopted {
		s.adopted[id] = true
	} else {
		delete(s.adopted, id)
	}
}

func (s *Journal) isAdopted(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.adopted[id]
}
