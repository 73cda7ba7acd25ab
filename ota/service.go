package ota

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/ota/image"
	"github.com/muster-iot/muster/ota/pace"
	"github.com/muster-iot/muster/store"
	"github.com/muster-iot/muster/wire"
)

// Link sends to one device: over its own connection, or through the gateway it is attached
// to. Links are compared with ==.
type Link interface {
	// Send sends one message on the device's topic of kind k.
	Send(k wire.TopicKind, payload []byte) error
	// SendChunks queues the chunks first to first+count-1 of src, in place of those of the
	// device that are still queued. It never blocks.
	SendChunks(src wire.ChunkSource, first, count uint32)
	// KeepChunks queues chunks as SendChunks does; with count 0, none. What is queued then is not
	// sent before ResumeChunks or SendChunks. It never blocks.
	KeepChunks(src wire.ChunkSource, first, count uint32)
	// ResumeChunks has the kept chunks sent, after the last one that was. It never blocks.
	ResumeChunks()
	// StopChunks drops the device's queued chunks. It never blocks.
	StopChunks()
}

// Config sets the limits of a Service. The limits without a default must be set.
type Config struct {
	MaxUpdates  int             // updates that transfer at the same time
	MaxBehind   int             // of them, those of BLE devices behind one gateway
	MaxTeam     int             // of them, those of one team; 0: no limit of its own
	MaxWaiting  int             // devices waiting for a free slot; default 10,000
	MaxAttempts int             // failed attempts per device and target
	CoolDown    []time.Duration // after the first, second ... failed attempt; the last one repeats; at least one
	BusyAgain   time.Duration   // how long a device waits when no slot is free, ± half of it; default 30 s

	// Pace keeps releases with a plan within their limits; default: one of its own, which gets no
	// counts, so that no device of a release with limits begins.
	Pace *pace.Pace
	// Ready is called when a slot is free for a device that waited, and when an operator
	// retries an update: the caller decides again for the device (Decide with AtSlot), or
	// reports that it is Gone. It must not block.
	Ready func(fleet.DeviceID)
	// Ended is called after an update was ended by someone other than its device d: an
	// operator stopped it, or d was silent for too long. It may wait for the store.
	Ended func(d fleet.Device)
	// Unreadable is called soon after the image of d's update could not be read for the first
	// time, once per image until it was readable again. It may wait for the store.
	Unreadable func(d fleet.Device, cause error)
}

func (c Config) withDefaults() Config {
	if c.MaxWaiting <= 0 {
		c.MaxWaiting = 10_000
	}
	if c.BusyAgain <= 0 {
		c.BusyAgain = 30 * time.Second
	}
	if c.Pace == nil {
		c.Pace = pace.New()
	}
	if c.Ready == nil {
		c.Ready = func(fleet.DeviceID) {}
	}
	if c.Ended == nil {
		c.Ended = func(fleet.Device) {}
	}
	if c.Unreadable == nil {
		c.Unreadable = func(fleet.Device, error) {}
	}
	return c
}

// Service moves devices to their targets. It is safe for concurrent use.
type Service struct {
	cfg      Config
	rules    rules
	devices  *store.Devices
	catalogs *store.Catalogs
	chunker  *image.Chunker
	counts   counts

	firstRuns sync.Map // of firstRun; those being noted

	mu      sync.Mutex
	running map[fleet.DeviceID]*download     // downloads under way, with a slot or stalled; guarded by mu
	fetches map[fleet.DeviceID]*image.Source // what gateways fetch for their children; guarded by mu
	orders  map[fleet.DeviceID]order         // the last to each device that is connected and had one; guarded by mu
	slots   slots                            // guarded by mu
	holds   map[pace.Key]uint64              // catalog revisions by which releases were halted; guarded by mu

	awaiting map[fleet.DeviceID]fleet.Digest // devices refused because this image can't be read; guarded by mu
}

// New makes a Service. Run must be called for stalled downloads to end.
func New(cfg Config, devices *store.Devices, catalogs *store.Catalogs, chunker *image.Chunker) *Service {
	cfg = cfg.withDefaults()
	return &Service{
		cfg:      cfg,
		rules:    rules{maxAttempts: cfg.MaxAttempts, coolDown: cfg.CoolDown, clock: clock{began: time.Now()}},
		devices:  devices,
		catalogs: catalogs,
		chunker:  chunker,
		running:  make(map[fleet.DeviceID]*download),
		fetches:  make(map[fleet.DeviceID]*image.Source),
		orders:   make(map[fleet.DeviceID]order),
		holds:    make(map[pace.Key]uint64),
		awaiting: make(map[fleet.DeviceID]fleet.Digest),
		slots:    newSlots(cfg),
	}
}

// MaxAttempts is how many attempts at one target a device has.
func (s *Service) MaxAttempts() int { return s.cfg.MaxAttempts }

// Exhausted reports whether d has spent all attempts at its target.
func (s *Service) Exhausted(d *fleet.Device) bool { return d.Attempts.Spent >= s.cfg.MaxAttempts }

type counts struct {
	offers, continued, wants atomic.Uint64
	staleReports, badWants   atomic.Uint64
	ended                    [fleet.Stopped + 1]atomic.Uint64
}

// Stats counts since the start, except for what is so now.
type Stats struct {
	Running int // downloads with a slot, now
	Waiting int // devices waiting for one, now
	Stalled int // downloads that lost theirs, now

	Offers       uint64 // sent
	Continued    uint64 // of them, those of an update that was running before
	Wants        uint64
	StaleReports uint64 // of another image, update or session
	BadWants     uint64 // without an update, of another image, past the end
	Ended        map[fleet.UpdateState]uint64

	image.Stats
}

// Stats returns the counts of this moment.
func (s *Service) Stats() Stats {
	stats := Stats{
		Offers: s.counts.offers.Load(), Continued: s.counts.continued.Load(), Wants: s.counts.wants.Load(),
		StaleReports: s.counts.staleReports.Load(), BadWants: s.counts.badWants.Load(),
		Ended: make(map[fleet.UpdateState]uint64), Stats: s.chunker.Stats(),
	}
	for state := fleet.Confirmed; state <= fleet.Stopped; state++ {
		stats.Ended[state] = s.counts.ended[state].Load()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	stats.Running, stats.Waiting = s.slots.taken(), s.slots.waiting()
	for _, dl := range s.running {
		if dl.stalled {
			stats.Stalled++
		}
	}
	return stats
}
