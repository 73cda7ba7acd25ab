package rollout

import (
	"log/slog"
	"sync"
	"time"

	"github.com/muster-iot/muster/audit"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/index"
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

	// Announce passes an event on to listeners; nil: none. It must not block.
	Announce func(fleet.Event)
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
	announce    func(fleet.Event)
	changed     func(fleet.ProductID, []fleet.DeviceID)

	mu       sync.Mutex
	watched  map[key]*watch           // the releases under way; guarded by mu
	products map[fleet.ProductID]bool // those that may have some; guarded by mu
}

// key names a release.
type key struct {
	product fleet.ProductID
	release fleet.ReleaseID
}

// watch is what this process knows of a release beyond the catalog.
type watch struct {
	unsaved time.Duration // observed since it was written to the catalog
	seen    time.Time     // when it was last observed
	away    absences
	lost    int // of those
}

// New returns a Service.
func New(config Config) *Service {
	if config.Clock == nil {
		config.Clock = new(steady.Clock)
	}
	if config.Announce == nil {
		config.Announce = func(fleet.Event) {}
	}
	if config.Changed == nil {
		config.Changed = func(fleet.ProductID, []fleet.DeviceID) {}
	}
	return &Service{
		catalogs: config.Catalogs, teams: config.Teams, index: config.Index, audit: config.Audit, maxAttempts: config.MaxAttempts,
		log: config.Log, clock: config.Clock, announce: config.Announce, changed: config.Changed,
		watched: make(map[key]*watch), products: make(map[fleet.ProductID]bool),
	}
}

// Watch has Run look after product's releases, because one was made. It never blocks.
func (s *Service) Watch(product fleet.ProductID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.products[product] = true
}
