package registry

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/registry/fence"
)

// entries are those of the journal; tests put outages between them and the registry.
type entries interface {
	InTerm(ctx context.Context) context.Context
	Open(ctx context.Context, record string) (id string, err error)
	Close(ctx context.Context, id string) error
	Fence(ctx context.Context, id string) error
}

// supersede makes sure that no older batch is carried out on these devices later: neither one that this
// server answered, nor one that another server, which may have been killed, has in the journal. Whoever changes
// devices for an operator calls it first. What it returns is to be used for the changes.
func (r *Registry) supersede(ctx context.Context, ids ...fleet.DeviceID) (context.Context, error) {
	if ctx.Value(supersededKey{}) != nil {
		return ctx, nil
	}
	if err := r.fences.Flush(ctx, r.entries); err != nil {
		return ctx, err
	}
	err := r.journal.Amend(ctx, func(record string) string {
		b, _, err := readBatch(record)
		if err != nil {
			return record // whoever finishes it reports it
		}
		left := slices.DeleteFunc(b.Devices, func(id fleet.DeviceID) bool { return slices.Contains(ids, id) })
		if len(left) == len(b.Devices) {
			return record
		}
		if b.Devices = left; len(left) == 0 {
			return ""
		}
		amended, _ := json.Marshal(b) // it was read from JSON
		return string(amended)
	})
	return context.WithValue(ctx, supersededKey{}, true), err
}

// supersededKey marks the context of changes whose devices supersede was called for.
type supersededKey struct{}

// resumed is the context of changes that finish the batch of a journal entry: they supersede nothing, and leave out
// devices that somebody changes meanwhile.
func (r *Registry) resumed(ctx context.Context, entry string) context.Context {
	batch := fence.NewBatch(r.journal, entry, func(record string) ([]fleet.DeviceID, error) {
		b, _, err := readBatch(record)
		return b.Devices, err
	})
	return context.WithValue(context.WithValue(ctx, supersededKey{}, true), resumedKey{}, batch)
}

type resumedKey struct{}

// isSuperseded reports whether the change of a device, which was read before, finishes a batch that the
// device is no longer in.
func (r *Registry) isSuperseded(ctx context.Context, id fleet.DeviceID) (bool, error) {
	batch, resumed := ctx.Value(resumedKey{}).(*fence.Batch)
	if !resumed {
		return false, nil
	}
	has, err := batch.Has(ctx, id)
	return !has, err
}
