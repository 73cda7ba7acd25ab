package rollout

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/muster-iot/muster/audit"
	"github.com/muster-iot/muster/event"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/index"
	"github.com/muster-iot/muster/ota/pace"
	"github.com/muster-iot/muster/steady"
	"github.com/muster-iot/muster/store"
)

// Config is what a Service works with.
type Config struct {
	Catalogs    *store.Catalogs
	Teams       *store.Teams
	Index       *index.Index
	Audit       *audit.Log
	MaxAttempts int // failed attempts per device and target
	Log         *slog.Logger
	Clock       *steady.Clock // by which scheduled releases start; nil: one of its own

	// Leads reports whether this server moves releases on for all that share the store; nil: it is the
	// only one. Those that don't lead count, for Pace.
	Leads func() bool
	// Pace keeps releases within their limits.
	Pace *pace.Pace
	// Alert raises an alert that no device has raised. It may wait for the store.
	Alert func(ctx context.Context, team fleet.TeamID, name, text string)
	// Announce passes an event on to listeners; nil: none. It must not block.
	Announce func(event.Event)
	// Counted is called with every count of a release's devices, and what becomes of the release;
	// nil: nothing is to do. It must not block.
	Counted func(product fleet.ProductID, r fleet.Release, n fleet.ReleaseCounts)
	// Halted is called, before anything else, when a release gives its version to no further device,
	// by the catalog with this revision: its downloads have to stop; nil: nothing is to do. It must
	// not block.
	Halted func(product fleet.ProductID, r fleet.ReleaseID, revision uint64)
	// Changed is called after what a product's releases give devices has changed: running
	// downloads whose version is no longer the target have to be re-evaluated, and the devices
	// in now at once; nil: nothing is to do. It must not block.
	Changed func(product fleet.ProductID, now []fleet.DeviceID)
}

// Service drives releases with a plan, and lets operators see them and act on them. It is safe
// for concurrent use.
type Service struct {
	catalogs    *store.Catalogs
	teams       *store.Teams
	index       *index.Index
	audit       *audit.Log
	maxAttempts int
	log         *slog.Logger
	clock       *steady.Clock
	pace        *pace.Pace
	leads       func() bool
	now         func() time.Time
	alert       func(ctx context.Context, team fleet.TeamID, name, text string)
	announce    func(event.Event)
	counted     func(fleet.ProductID, fleet.Release, fleet.ReleaseCounts)
	halted      func(fleet.ProductID, fleet.ReleaseID, uint64)
	changed     func(fleet.ProductID, []fleet.DeviceID)

	listening atomic.Bool // health has entries

	mu       sync.Mutex
	watched  map[key]*watch              // the releases under way; guarded by mu
	products map[fleet.ProductID]bool    // those that may have some; guarded by mu
	health   map[fleet.ProductID]*health // of products whose releases have a bar for it; guarded by mu
}

// key names a release.
type key struct {
	product fleet.ProductID
	release fleet.ReleaseID
}

// watch is this process's state of a release beyond the catalog.
type watch struct {
	unsaved time.Duration // observed since it was written to the catalog
	seen    time.Time     // when it was last observed
	away    absences
	lost    int // of those

	sick      map[fleet.DeviceID]bool // updated, and in trouble soon after
	usual     float64                 // part of the devices that are in trouble without an update
	unhealthy int                     // at the last look
}

// New returns a Service.
func New(config Config) *Service {
	if config.Clock == nil {
		config.Clock = new(steady.Clock)
	}
	if config.Leads == nil {
		config.Leads = func() bool { return true }
	}
	if config.Announce == nil {
		config.Announce = func(event.Event) {}
	}
	if config.Counted == nil {
		config.Counted = func(fleet.ProductID, fleet.Release, fleet.ReleaseCounts) {}
	}
	if config.Alert == nil {
		config.Alert = func(context.Context, fleet.TeamID, string, string) {}
	}
	if config.Pace == nil {
		config.Pace = pace.New()
	}
	if config.Halted == nil {
		config.Halted = func(fleet.ProductID, fleet.ReleaseID, uint64) {}
	}
	if config.Changed == nil {
		config.Changed = func(fleet.ProductID, []fleet.DeviceID) {}
	}
	return &Service{
		catalogs: config.Catalogs, teams: config.Teams, index: config.Index, audit: config.Audit, maxAttempts: config.MaxAttempts,
		log: config.Log, clock: config.Clock, announce: config.Announce, counted: config.Counted, halted: config.Halted, changed: config.Changed, pace: config.Pace, leads: config.Leads, now: time.Now, alert: config.Alert,
		watched: make(map[key]*watch), products: make(map[fleet.ProductID]bool), health: make(map[fleet.ProductID]*health),
	}
}

// Watch has Run look after product's releases, because one was made. It never blocks.
func (s *Service) Watch(product fleet.ProductID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.products[product] = true
}
