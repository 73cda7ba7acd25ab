// Package registry manages products, groups and devices for operators, shows what devices
// sent and takes what is sent to them.
//
// Each write has the same order: check the rights of the actor with fleet.May, change the
// store, record the change in the audit log, notify the connected side. Accounts and tokens
// are in package accounts; firmware, releases and updates are in package ota.
package registry

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/muster-iot/muster/audit"
	"github.com/muster-iot/muster/event"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/index"
	"github.com/muster-iot/muster/ota/precedence"
	"github.com/muster-iot/muster/quota"
	"github.com/muster-iot/muster/registry/fence"
	"github.com/muster-iot/muster/steady"
	"github.com/muster-iot/muster/store"
)

// Config is what a Registry works with. Zero limits take the defaults.
type Config struct {
	Devices  *store.Devices
	Index    *index.Index
	Catalogs *store.Catalogs
	Teams    *store.Teams
	Messages *store.Messages
	Journal  *store.Journal // of batches under way
	Fences   fence.Kept     // of Journal, on disk; nil: none
	Audit    *audit.Log
	Quota    *quota.Stock // of devices; nil: none
	Images   Images       // deleted with their product; nil: left in place
	Forecast Forecast
	Live     Live
	Log      *slog.Logger
	Clock    *steady.Clock // by which commands expire, the store's

	CommandLifetime time.Duration // of a command queued without one; default 7 days
}

// Images is where firmware images are kept.
type Images interface {
	Delete(ctx context.Context, product fleet.ProductID, digest fleet.Digest, object string) error
}

// Forecast computes the impact of a change.
type Forecast interface {
	// Preview returns the impact of applying change to those devices of product that have
	// one of ids, or to all if ids is nil. change gets copies.
	Preview(ctx context.Context, actor fleet.Actor, product fleet.ProductID, ids []fleet.DeviceID, change func(*fleet.IndexEntry)) (fleet.Impact, error)
}

// Live is the part of the server that holds connections. Its methods return at once and
// may be called for devices that are not connected.
type Live interface {
	// Recheck re-evaluates what these devices should run.
	Recheck(ids ...fleet.DeviceID)
	// Kick ends the connection of a device.
	Kick(id fleet.DeviceID)
	// Command reports that a command is queued for the device.
	Command(id fleet.DeviceID)
	// Heard returns when the last packet of a device came, if its record may not have that yet.
	Heard(id fleet.DeviceID) time.Time
	// Announce publishes an event.
	Announce(e event.Event)
}

// Registry is safe for concurrent use and keeps no goroutine. Every method that takes an
// actor asks fleet.May; beyond the errors it documents, it returns fleet.NotFound for what
// the actor can't see, fleet.Denied for what they may not do, and fleet.Unavailable when the
// store does not answer.
type Registry struct {
	config   Config
	devices  records
	index    *index.Index
	catalogs *store.Catalogs
	teams    *store.Teams
	messages *store.Messages
	audit    *audit.Log
	forecast Forecast
	live     Live
	journal  *store.Journal
	entries  entries // of journal
	fences   *fence.Fences
	log      *slog.Logger
}

// records is *store.Devices; tests put races and crashes between it and the registry.
type records interface {
	Device(ctx context.Context, id fleet.DeviceID) (fleet.Device, error)
	Namesakes(ctx context.Context, id fleet.DeviceID) ([]fleet.Device, error)
	Edit(ctx context.Context, id fleet.DeviceID, change func(*fleet.Device) error) (fleet.Device, error)
	CreateMany(ctx context.Context, devices []*fleet.Device) []error
	Delete(ctx context.Context, id fleet.DeviceID) error
}

// New returns a Registry. Resume must be called before it is used.
func New(config Config) *Registry {
	if config.Clock == nil {
		config.Clock = new(steady.Clock)
	}
	if config.CommandLifetime <= 0 {
		config.CommandLifetime = 7 * 24 * time.Hour
	}
	return &Registry{
		config: config, devices: config.Devices, index: config.Index, catalogs: config.Catalogs, teams: config.Teams,
		messages: config.Messages, audit: config.Audit, forecast: config.Forecast, live: config.Live,
		journal: config.Journal, entries: config.Journal, fences: fence.New(config.Fences, config.Log), log: config.Log,
	}
}

// retarget makes change, which may alter d's groups, lock or development mark, and forgets the
// attempts at d's target if that gives it another one.
func (r *Registry) retarget(ctx context.Context, d *fleet.Device, change func(*fleet.Device) error) error {
	c, err := r.catalogs.Catalog(ctx, d.Product)
	if err != nil {
		return err
	}
	precedence.Renew(d, c)
	if err := change(d); err != nil {
		return err
	}
	precedence.Renew(d, c)
	if !d.Attempts.Target.IsZero() {
		d.Attempts.Since = c.Revision
	}
	return nil
}

// maxListed bounds the devices that an audit entry lists, which always has their number,
// and the errors that a batch returns.
const maxListed = 100

func first[T any](all []T) []T { return all[:min(len(all), maxListed)] }

// maxParallel bounds the store operations that one call has under way at a time. The store
// combines them into few round trips.
const maxParallel = 100

// lowPriority bounds those of a job: it leaves room for handshakes.
const lowPriority = 32

// each calls do for every value of in, several at a time, and returns the results in the
// order of in.
func each[In, Out any](in []In, do func(In) (Out, error)) ([]Out, []error) {
	return eachOf(maxParallel, in, do)
}

// eachOf is each for at most parallel at a time.
func eachOf[In, Out any](parallel int, in []In, do func(In) (Out, error)) ([]Out, []error) {
	out, errs := make([]Out, len(in)), make([]error, len(in))
	free := make(chan struct{}, parallel)
	var tasks sync.WaitGroup
	for i := range in {
		free <- struct{}{}
		tasks.Go(func() {
			defer func() { <-free }()
			out[i], errs[i] = do(in[i])
		})
	}
	tasks.Wait()
	return out, errs
}

// set assigns *value to *target, unless value is nil.
func set[T any](target *T, value *T) {
	if value != nil {
		*target = *value
	}
}
