package registry

import (
	"context"
	"sync"
	"sync/atomic"
)

// journal is *store.Journal; tests put outages between it and the registry.
type journal interface {
	Open(ctx context.Context, record string) (id string, err error)
	Close(ctx context.Context, id string) error
	Fence(ctx context.Context, id string) error
	Unfinished(ctx context.Context) (map[string]string, error)
}

// fences are the entries of the journal whose batches were answered but which could not be
// closed. It is safe for concurrent use.
type fences struct {
	open atomic.Int32 // entries, so that edits need no lock while there are none

	mu  sync.Mutex
	ids []string // guarded by mu
}

func (f *fences) add(id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ids = append(f.ids, id)
	f.open.Add(1)
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
	return nil
}
