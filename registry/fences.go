package registry

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
)

// journal is *store.Journal; tests put outages between it and the registry.
type journal interface {
	Open(ctx context.Context, record string) (id string, err error)
	Close(ctx context.Context, id string) error
	Fence(ctx context.Context, id string) error
	Unfinished(ctx context.Context) (map[string]string, error)
	Amend(ctx context.Context, amend func(record string) string) error
	Record(ctx context.Context, id string) (string, error)
}

// Fences keep the ids of journal entries that must not be resumed, for a next process should this
// one be killed before Redis is back. *spool.Spool implements it.
type Fences interface {
	Add(id string) error
	Lines() []string
	Drop(n int) error
}

// fences are the entries of the journal whose batches were answered but which could not be
// closed. It is safe for concurrent use.
type fences struct {
	kept Fences // nil: they are lost with this process
	log  *slog.Logger
	open atomic.Int32 // entries, so that edits need no lock while there are none

	mu  sync.Mutex
	ids []string // guarded by mu
}

func newFences(kept Fences, log *slog.Logger) *fences {
	f := &fences{kept: kept, log: log}
	if kept != nil {
		f.ids = kept.Lines()
		f.open.Store(int32(len(f.ids)))
	}
	return f
}

// add is called before the batch of id is answered.
func (f *fences) add(id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ids = append(f.ids, id)
	f.open.Add(1)
	if f.kept == nil {
		return
	}
	if err := f.kept.Add(id); err != nil {
		f.log.Error("a batch that was answered may run again if this server is killed before redis is back", "err", err)
	}
}

// flush fences the entries in the journal. Whoever changes a device for an operator calls it
// first: with an entry of an older batch left open, the next start would undo the change.
func (f *fences) flush(ctx context.Context, journal journal) error {
	if f.open.Load() == 0 {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for len(f.ids) > 0 {
		if err := journal.Fence(ctx, f.ids[0]); err != nil {
			return err
		}
		f.ids = f.ids[1:]
		f.open.Add(-1)
	}
	if f.kept == nil {
		return nil
	}
	if err := f.kept.Drop(len(f.kept.Lines())); err != nil {
		f.log.Warn("fences are kept longer than needed, which does no harm", "err", err)
	}
	return nil
}
