package fence

import (
	"context"
	"slices"
	"sync"

	"github.com/muster-iot/muster/fleet"
)

// Records are the entries' texts. *journal.Journal implements it.
type Records interface {
	Record(ctx context.Context, id string) (string, error)
	Size(ctx context.Context, id string) (int64, error)
}

// Batch is a batch that another process began and this one finishes. It is safe for concurrent use.
type Batch struct {
	records Records
	entry   string
	read    func(record string) ([]fleet.DeviceID, error)

	mu      sync.Mutex
	size    int64            // of the record when devices were read, in bytes; guarded by mu
	devices []fleet.DeviceID // that are left in it, sorted; guarded by mu
}

// NewBatch returns the batch of an entry, whose record read reads.
func NewBatch(records Records, entry string, read func(record string) ([]fleet.DeviceID, error)) *Batch {
	return &Batch{records: records, entry: entry, read: read}
}

// Has reports whether a device is in the batch still: it is not if somebody has changed it meanwhile. The record
// has the ids of all devices, so it is read again only when it has become shorter.
func (b *Batch) Has(ctx context.Context, id fleet.DeviceID) (bool, error) {
	size, err := b.records.Size(ctx, b.entry)
	if err != nil {
		return false, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if size != b.size {
		record, err := b.records.Record(ctx, b.entry)
		if err != nil {
			return false, err
		}
		var devices []fleet.DeviceID
		if record != "" {
			if devices, err = b.read(record); err != nil {
				return false, err
			}
		}
		b.size, b.devices = int64(len(record)), slices.Sorted(slices.Values(devices))
	}
	_, has := slices.BinarySearch(b.devices, id)
	return has, nil
}
