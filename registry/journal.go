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

// Journal keeps what was begun and must be finished after a crash.
type Journal interface {
	Open(ctx context.Context, record string) (id string, err error)
	Close(ctx context.Context, id string) error
	Unfinished(ctx context.Context) (map[string]string, error)
}

// batch is a change of many devices on its way, of their groups or of what steers them:
// what the journal holds of it.
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

// change is what a batch that steers devices does to each; ok is false for one of groups.
func (b batch) change() (c change, ok bool, err error) {
	c = change{DeviceEdit: fleet.DeviceEdit{Development: b.Development}, product: b.Product}
	if b.Lock != nil {
		c.lock = new(fleet.Version)
		if *b.Lock != "" {
			*c.lock, err = fleet.ParseVersion(*b.Lock)
		}
	}
	return c, b.Lock != nil || b.Development != nil, err
}

// begin writes b down. What it returns must be called when the outcome is known, good or
// bad: from then on nobody finishes b.
func (r *Registry) begin(ctx context.Context, b batch) (end func(), err error) {
	if r.config.Journal == nil {
		return func() {}, nil
	}
	record, err := json.Marshal(b)
	if err != nil {
		return nil, err
	}
	id, err := r.config.Journal.Open(ctx, string(record))
	return func() {
		if err := r.config.Journal.Close(context.WithoutCancel(ctx), id); err != nil {
			r.log.LogAttrs(ctx, slog.LevelWarn, "a finished batch stays in the journal: the next start does it once more", slog.Any("err", err))
		}
	}, err
}

// carryOut changes the groups of each device by itself, in one write: a device has either
// all of b or nothing. It returns the devices as they are now.
func (r *Registry) carryOut(ctx context.Context, b batch) ([]fleet.Device, []error) {
	return each(b.Devices, func(id fleet.DeviceID) (fleet.Device, error) {
		var before fleet.Device
		after, err := r.edit(ctx, b.Team, b.Product, id, func(d *fleet.Device) error {
			before = *d
			d.Groups = edited(d.Groups, b.Add, b.Remove)
			return nil
		})
		if err == nil {
			r.announceEdit(&before, &after)
		}
		return after, err
	})
}

// Resume finishes the batches that a crash cut off. It must be called before anything else
// can change devices. Devices and groups that are gone are left out.
func (r *Registry) Resume(ctx context.Context) error {
	if r.config.Journal == nil {
		return nil
	}
	unfinished, err := r.config.Journal.Unfinished(ctx)
	if err != nil {
		return err
	}
	for id, record := range unfinished {
		b, err := readBatch(record)
		if err != nil {
			r.log.LogAttrs(ctx, slog.LevelError, "a batch in the journal can't be read and is dropped", slog.Any("err", err))
		} else if err := r.finish(ctx, b); err != nil {
			return err
		}
		if err := r.config.Journal.Close(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

// readBatch reads what begin wrote down, so that finish can carry it out.
func readBatch(record string) (b batch, err error) {
	if err := json.Unmarshal([]byte(record), &b); err != nil {
		return b, err
	}
	_, _, err = b.change()
	return b, err
}

func (r *Registry) finish(ctx context.Context, b batch) error {
	change, steers, err := b.change()
	if err != nil {
		return err
	}
	if steers {
		return r.finished(b, r.steer(ctx, fleet.Actor{Team: b.Team, User: b.User, Email: b.Email}, b.Devices, change))
	}
	groups, err := r.teams.Groups(ctx, b.Team)
	if err != nil && !errors.Is(err, fleet.NotFound) {
		return err
	}
	b.Add = slices.DeleteFunc(b.Add, func(id fleet.GroupID) bool {
		return !slices.ContainsFunc(groups, func(g fleet.Group) bool { return g.ID == id })
	})
	_, errs := r.carryOut(ctx, b)
	r.audit.Record(ctx, fleet.Actor{Team: b.Team, User: b.User, Email: b.Email}, "device.groups", b.Product.String(), nil,
		audit.Fields{"devices": some(b.Devices), "count": done(errs), "add": b.Add, "remove": b.Remove, "resumed": true})
	return r.finished(b, errs)
}

// finished is what a resumed batch came to: devices that are gone don't count.
func (r *Registry) finished(b batch, errs []error) error {
	for _, err := range errs {
		if err != nil && !errors.Is(err, fleet.NotFound) {
			return err
		}
	}
	r.log.Info("finished a batch that was cut off", "team", b.Team, "devices", done(errs))
	return nil
}

func done(errs []error) (n int) {
	for _, err := range errs {
		if err == nil {
			n++
		}
	}
	return n
}
