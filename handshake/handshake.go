package handshake

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/limit"
)

// Devices are the records of devices.
type Devices interface {
	// Device loads the record of id; fleet.NotFound when there is none.
	Device(ctx context.Context, id fleet.DeviceID) (fleet.Device, error)
	// Namesakes loads the records of the fleet.MostNamesakes oldest devices with the id of id, oldest
	// first.
	Namesakes(ctx context.Context, id fleet.DeviceID) ([]fleet.Device, error)
	// Save writes d if its record is still at d.Revision (fleet.Conflict otherwise), raises
	// d.Revision, adds the ended updates to d's history in the same step, and returns the
	// revision of the catalog of d's product at that moment.
	Save(ctx context.Context, d *fleet.Device, ended ...fleet.Update) (catalog uint64, err error)
}

// Catalogs are the cached catalogs of products.
type Catalogs interface {
	// Catalog returns the newest known catalog of product.
	Catalog(ctx context.Context, product fleet.ProductID) (*fleet.Catalog, error)
	// CatalogAt returns one whose revision is at least atLeast, loading it if need be.
	CatalogAt(ctx context.Context, product fleet.ProductID, atLeast uint64) (*fleet.Catalog, error)
}

// Config sets the limits of a Service. Zero fields take the defaults.
type Config struct {
	MaxAdmissions int           // admissions at the same time; default 1000
	FailedBurst   int           // failed proofs an id, or ten times that an address, may have in a row before it is throttled; default 10
	FailedEvery   time.Duration // after the burst, one more per this much time; default 10 s
	MaxTracked    int           // ids, and addresses, whose failures are remembered; default 10,000 of each
	Node          string        // that sessions belong to, if servers share the store; else ""
	Log           *slog.Logger  // for warnings about guessed secrets; nil: none

	// Guessed is called when somebody seems to guess the secrets of a team's devices, at most
	// once an hour for an address. It must not block: the peer waits for its refusal. nil: none.
	Guessed func(Guess)
}

func (c Config) withDefaults() Config {
	if c.MaxAdmissions <= 0 {
		c.MaxAdmissions = 1000
	}
	if c.FailedBurst <= 0 {
		c.FailedBurst = 10
	}
	if c.FailedEvery <= 0 {
		c.FailedEvery = 10 * time.Second
	}
	if c.MaxTracked <= 0 {
		c.MaxTracked = 10_000
	}
	if c.Guessed == nil {
		c.Guessed = func(Guess) {}
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// addressFactor is how much more an address may fail than an id: many devices share one
// address behind a NAT.
const addressFactor = 10

// maxSuspects is how many admissions all throttled peers share: enough for the devices among
// them, and few compared with everybody else's.
const maxSuspects = 32

// Service admits devices and accepts their Hellos. It is safe for concurrent use.
type Service struct {
	devices    Devices
	catalogs   Catalogs
	admissions chan struct{} // one token per admission in progress
	suspects   chan struct{} // one token per admission of a throttled peer
	byID       *limit.Limiter[string]
	byAddress  *limit.Limiter[string] // by limit.Network
	warnings   *rate.Limiter          // of log lines about guesses
	guesses    *guesses
	guessed    func(Guess)
	node       string
	log        *slog.Logger
	refused    [NotAttached + 1]atomic.Uint64
	admitted   atomic.Uint64
	greeted    atomic.Uint64
	retried    atomic.Uint64
	earlier    atomic.Uint64
}

// New returns a Service.
func New(cfg Config, devices Devices, catalogs Catalogs) *Service {
	cfg = cfg.withDefaults()
	return &Service{
		devices: devices, catalogs: catalogs,
		admissions: make(chan struct{}, cfg.MaxAdmissions),
		suspects:   make(chan struct{}, min(maxSuspects, cfg.MaxAdmissions)),
		byID:       limit.New[string](cfg.FailedBurst, cfg.FailedEvery, cfg.MaxTracked),
		byAddress:  limit.New[string](addressFactor*cfg.FailedBurst, cfg.FailedEvery/addressFactor, cfg.MaxTracked),
		warnings:   rate.NewLimiter(rate.Every(10*time.Second), 5),
		guesses:    newGuesses(),
		guessed:    cfg.Guessed,
		node:       cfg.Node,
		log:        cfg.Log,
	}
}

// Refusal is why an admission was refused, for logs and metrics only: it is not revealed to
// the peer.
type Refusal uint8

// The refusals.
const (
	UnknownDevice Refusal = iota
	WrongSecret
	WrongName   // the user name is not the client id, nor that with a team
	NoLink      // a BLE device: it has no connection of its own
	SwitchedOff // disabled, after a valid proof
	Saturated
	Throttled   // another failed proof of an id or from an address that has had too many
	NotAttached // a gateway relayed a device that it may not relay
)

// Stats counts since the start.
type Stats struct {
	Admitted uint64
	Greeted  uint64 // Hellos accepted
	Retried  uint64 // decisions repeated because the device or its product changed
	Earlier  uint64 // Hellos of an earlier boot
	Refused  map[Refusal]uint64
}

// Stats returns the counts so far.
func (s *Service) Stats() Stats {
	stats := Stats{
		Admitted: s.admitted.Load(), Greeted: s.greeted.Load(), Retried: s.retried.Load(), Earlier: s.earlier.Load(),
		Refused: make(map[Refusal]uint64, len(s.refused)),
	}
	for r := range s.refused {
		stats.Refused[Refusal(r)] = s.refused[r].Load()
	}
	return stats
}

func (r Refusal) String() string {
	return [...]string{
		"unknown_device", "wrong_secret", "wrong_name", "ble_device", "disabled", "saturated", "throttled", "not_attached",
	}[r]
}
