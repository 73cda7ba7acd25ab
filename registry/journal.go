package registry

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"

	"github.com/muster-iot/muster/audit"
	"github.com/muster-iot/muster/fleet"
)

// batch is a change of many devices: of their groups, or of their lock and development mark.
// It is what the journal holds of it, so that Resume can finish it after a crash.
type batch struct {
	Team        fleet.TeamID
	User        fleet.UserID
	Email       string
	Product     fleet.ProductID
	Devices     []fleet.DeviceID
	Add         []fleet.GroupID
	Remove      []fleet.GroupID
	Lock        *string `json:",omitempty"` // "" unlocks
	Development *bool   `json:",omitempty"`
}

func (b batch) actor() fleet.Actor { return fleet.Actor{Team: b.Team, User: b.User, Email: b.Email} }

// journaled carries out the batch b by calling work. If the process ends before work
// returns, Resume of the next one finishes b; so it does if others may have taken this process for dead, and then
// work writes nothing any more. What was answered must not run again: an entry
// that can't be closed now is fenced before anything newer is decided about a device.
func (r *Registry) journaled(ctx context.Context, b batch, work func(context.Context) error) error {
	record, err := json.Marshal(b)
	if err != nil {
		return err
	}
	ctx, err = r.supersede(r.entries.InTerm(ctx), b.Devices...)
	if err != nil {
		return err
	}
	id, err := r.entries.Open(ctx, string(record))
	if err != nil {
		r.fences.Add(id)
		return err
	}
	err = work(ctx)
	if closing := r.entries.Close(ctx, id); closing != nil {
		r.fences.Add(id)
		r.log.LogAttrs(ctx, slog.LevelWarn, "a batch that was answered is still in the journal: it is closed before the next change of a device", slog.Any("err", closing))
	}
	return err
}

// Settle closes what is left in the journal of batches that were answered. It must be called
// before the store is closed.
func (r *Registry) Settle(ctx context.Context) error { return r.fences.Flush(ctx, r.entries) }

// regroup changes the groups of each device on its own, each in one write, and returns the
// devices as they are now.
func (r *Registry) regroup(ctx context.Context, b batch) ([]fleet.Device, []error) {
	return each(b.Devices, func(id fleet.DeviceID) (fleet.Device, error) {
		var before fleet.Device
		after, err := r.edit(ctx, b.Team, b.Product, id, func(d *fleet.Device) error {
			before = *d
			d.Groups = editedGroups(d.Groups, b.Add, b.Remove)
			return nil
		})
		if err == nil {
			r.announceEdit(&before, &after)
		}
		return after, err
	})
}

// Resume finishes the batches that were interrupted by a crash. It must be called before this server
// lets anything else change devices. Devices and groups that were deleted are left out, and devices that were
// changed since at another server.
func (r *Registry) Resume(ctx context.Context) error {
	ctx = r.entries.InTerm(ctx)
	if err := r.fences.Flush(ctx, r.entries); err != nil { // of a process that was killed
		return err
	}
	unfinished, err := r.journal.Unfinished(ctx)
	if err != nil {
		return err
	}
	for id, record := range unfinished {
		b, change, err := readBatch(record)
		if err != nil {
			r.log.LogAttrs(ctx, slog.LevelError, "a batch in the journal can't be read and is dropped", slog.Any("err", err))
		} else if err := r.finish(r.resumed(ctx, id), b, change); err != nil {
			return err
		}
		if err := r.entries.Close(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

// readBatch reads a record of the journal. change is nil for a batch that edits groups.
func readBatch(record string) (b batch, c *change, err error) {
	if err := json.Unmarshal([]byte(record), &b); err != nil {
		return b, nil, err
	}
	b.Devices = fleet.DevicesIn(b.Team, b.Devices)
	if b.Lock == nil && b.Development == nil {
		return b, nil, nil
	}
	c = &change{DeviceEdit: fleet.DeviceEdit{Development: b.Development}, product: b.Product}
	if b.Lock != nil {
		c.lock = new(fleet.Version)
		if *b.Lock != "" {
			*c.lock, err = fleet.ParseVersion(*b.Lock)
		}
	}
	return b, c, err
}

func (r *Registry) finish(ctx context.Context, b batch, change *change) error {
	errs, err := r.repeat(ctx, b, change)
	if err != nil {
		return err
	}
	for _, err := range errs {
		if err != nil && !errors.Is(err, fleet.NotFound) {
			return err
		}
	}
	r.log.Info("finished a batch that was interrupted", "team", b.Team, "devices", succeeded(errs))
	return nil
}

// repeat carries out b again and returns an error for each of its devices.
func (r *Registry) repeat(ctx context.Context, b batch, change *change) ([]error, error) {
	if change != nil {
		return r.applyAll(ctx, b.actor(), b.Devices, *change), nil
	}
	groups, err := r.teams.Groups(ctx, b.Team)
	if err != nil && !errors.Is(err, fleet.NotFound) {
		return nil, err
	}
	b.Add = slices.DeleteFunc(b.Add, func(id fleet.GroupID) bool { return !hasGroup(groups, id) })
	_, errs := r.regroup(ctx, b)
	r.audit.RecordIn(ctx, b.Product, b.actor(), "device.groups", b.Product.String(), nil,
		audit.Fields{"devices": first(b.Devices), "count": succeeded(errs), "add": b.Add, "remove": b.Remove, "resumed": true})
	return errs, nil
}

func succeeded(errs []error) (n int) {
	for _, err := range errs {
		if err == nil {
			n++
		}
	}
	return n
}
