// Package fence keeps batches that were answered from being carried out again, and those that are finished after a
// crash from undoing what came later.
package fence

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
)

// Kept keeps the ids of journal entries that must not be resumed, for a next process should this
// one be killed before Redis is back. *spool.Spool implements it.
type Kept interface {
	Add(id string) error
	Lines() []string
	Drop(n int) error
}

// Journal has the entries. *journal.Journal implements it.
type Journal interface {
	Fence(ctx context.Context, id string) error
}

// Fences are the entries of the journal whose batches were answered but which could not be
// closed. It is safe for concurrent use.
type Fences struct {
	kept Kept // nil: they are lost with this process
	log  *slog.Logger
	open atomic.Int32 // entries, so that edits need no lock while there are none

	mu  sync.Mutex
	ids []string // guarded by mu
}

// New returns those that kept has; nil: none are kept.
func New(kept Kept, log *slog.Logger) *Fences {
	f := &Fences{kept: kept, log: log}
	if kept != nil {
		f.ids = kept.Lines()
		f.open.Store(int32(len(f.ids)))
	}
	return f
}

// Add is called before the batch of id is answered.
func (f *Fences) Add(id string) {
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

// Flush fences the entries in the journal. Whoever changes a device for an operator calls it
// first: with an entry of an older batch left open, the next start would undo the change.
func (f *Fences) Flush(ctx context.Context, journal Journal) error {
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
