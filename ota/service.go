package ota

import (
	"context"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

// Devices is where device records live.
type Devices interface {
	// Device loads the record of id; fleet.NotFound when there is none.
	Device(ctx context.Context, id fleet.DeviceID) (fleet.Device, error)
	// Save writes d if it is still at d.Revision (fleet.Conflict otherwise), raises
	// d.Revision, and adds past to d's history in the same step.
	Save(ctx context.Context, d *fleet.Device, past ...fleet.Update) (catalog uint64, err error)
	// History returns the ended updates of id, newest first.
	History(ctx context.Context, id fleet.DeviceID) ([]fleet.Update, error)
}

// Catalogs is where the catalogs of products live.
type Catalogs interface {
	// Catalog returns the newest known catalog of product; fleet.NotFound when there is none.
	Catalog(ctx context.Context, product fleet.ProductID) (*fleet.Catalog, error)
	// EditCatalog applies edit to a copy of the newest catalog and saves it, again when it
	// moved in between, and returns what was saved. An error of edit is returned as it is.
	EditCatalog(ctx context.Context, product fleet.ProductID, edit func(*fleet.Catalog) error) (*fleet.Catalog, error)
}

// Index answers questions about all devices without reading their records. Its methods
// return fleet.Unavailable until it is built.
type Index interface {
	// IDs are the devices that q selects, by id, behind the id q.After; all where q.Limit is 0.
	IDs(q fleet.DeviceQuery) ([]fleet.DeviceID, error)
	// Count calls visit for devices of product that actor sees: once, with their number,
	// for those that are alike. The entry tells nothing of id, name, gateway and last
	// handshake.
	Count(actor fleet.Actor, product fleet.ProductID, visit func(e *fleet.IndexEntry, devices int)) error
	// Entry returns what is known of id; fleet.NotFound when there is none.
	Entry(id fleet.DeviceID) (fleet.IndexEntry, error)
}

// Groups is where a team's groups are listed.
type Groups interface {
	Groups(ctx context.Context, team fleet.TeamID) ([]fleet.Group, error)
}

// Images keeps firmware images by digest, each product's apart from the others'.
type Images interface {
	// Put reads r to its end, keeps it durably and returns its digest and size in bytes;
	// fleet.TooLarge when it is longer than limit bytes, fleet.Invalid when it is empty.
	Put(ctx context.Context, product fleet.ProductID, r io.Reader, limit int64) (fleet.Digest, int64, error)
	// Open opens an image; fleet.NotFound when there is none. The caller closes it.
	Open(product fleet.ProductID, digest fleet.Digest) (Image, error)
	// Delete removes an image; removing one that is not there is no error.
	Delete(product fleet.ProductID, digest fleet.Digest) error
}

// Image is an open image.
type Image interface {
	io.ReaderAt
	io.ReadCloser
}

// Link is the way down to one device. It is compared with ==.
type Link interface {
	// Send sends one message on the device's topic of kind k.
	Send(k wire.TopicKind, payload []byte) error
	// SendChunks queues the chunks first to first+count-1 of src, in place of those of the
	// device that are still queued. It never blocks.
	SendChunks(src wire.ChunkSource, first, count uint32)
	// StopChunks drops the device's queued chunks. It never blocks.
	StopChunks()
}

// Config sets the limits of a Service. Zero fields take the defaults.
type Config struct {
	MaxUpdates  int             // updates that transfer at the same time; default 1000
	MaxBehind   int             // of them, those of BLE devices behind one gateway; default 4
	MaxWaiting  int             // devices waiting for a free slot; default 10,000
	MaxAttempts int             // failed attempts per device and target; default 3
	CoolDown    []time.Duration // after the first, second ... failed attempt; the last one repeats; default 5 min, 30 min, 2 h
	BusyAgain   time.Duration   // what a device is told to wait when there is no slot, ± half of it; default 30 s
	MaxImage    int64           // bytes of an uploaded image; default 64 MiB
	CacheBytes  int64           // encoded chunks kept in memory; default 32 MiB
	Rate        int64           // bytes of chunks per second, over all devices; 0: unlimited

	// Ready is called when a slot is free for a device that waited, or when it was retried:
	// the caller decides anew for it (Decide with AtSlot) or says that it is Gone. It must
	// not block.
	Ready func(fleet.DeviceID)
	// Changed is called after product's releases changed: running downloads whose version
	// is no longer the target are to be decided anew, and so are the devices in now, at
	// once. It must not block.
	Changed func(product fleet.ProductID, now []fleet.DeviceID)
	// Ended is called after d's update ended by another hand than d's: an operator stopped
	// it, nothing was heard of d, or its image could not be read. In the last case
	// unreadable says why, once for an image. It may wait for the store.
	Ended func(d fleet.Device, unreadable error)
}

func (c Config) withDefaults() Config {
	if c.MaxUpdates <= 0 {
		c.MaxUpdates = 1000
	}
	if c.MaxBehind <= 0 {
		c.MaxBehind = 4
	}
	if c.MaxWaiting <= 0 {
		c.MaxWaiting = 10_000
	}
	if c.MaxAttempts <= 0 {
		c.MaxAttempts = 3
	}
	if len(c.CoolDown) == 0 {
		c.CoolDown = []time.Duration{5 * time.Minute, 30 * time.Minute, 2 * time.Hour}
	}
	if c.BusyAgain <= 0 {
		c.BusyAgain = 30 * time.Second
	}
	if c.MaxImage <= 0 {
		c.MaxImage = 64 << 20
	}
	if c.CacheBytes <= 0 {
		c.CacheBytes = 32 << 20
	}
	if c.Ready == nil {
		c.Ready = func(fleet.DeviceID) {}
	}
	if c.Ended == nil {
		c.Ended = func(fleet.Device, error) {}
	}
	if c.Changed == nil {
		c.Changed = func(fleet.ProductID, []fleet.DeviceID) {}
	}
	return c
}

// Service is the room's one type. It is safe for concurrent use.
type Service struct {
	cfg      Config
	rules    rules
	devices  Devices
	catalogs Catalogs
	index    Index
	groups   Groups
	images   Images
	cache    *cache
	pacer    *pacer
	counts   counts

	unreadable unreadable

	firstRuns sync.Map // of firstRun; those being noted

	commit sync.Mutex // held while a firmware record and its image appear or go together

	mu      sync.Mutex
	running map[fleet.DeviceID]*download // downloads under way, with a slot or stalled; guarded by mu
	fetches map[fleet.DeviceID]*source   // what gateways fetch for their children; guarded by mu
	slots   slots                        // guarded by mu
}

// New makes a Service. Run must be called for stalled downloads to end.
func New(cfg Config, devices Devices, catalogs Catalogs, index Index, groups Groups, images Images) *Service {
	cfg = cfg.withDefaults()
	s := &Service{
		cfg:      cfg,
		rules:    rules{maxAttempts: cfg.MaxAttempts, coolDown: cfg.CoolDown},
		devices:  devices,
		catalogs: catalogs,
		index:    index,
		groups:   groups,
		images:   images,
		pacer:    &pacer{rate: cfg.Rate},
		running:  make(map[fleet.DeviceID]*download),
		fetches:  make(map[fleet.DeviceID]*source),
		slots:    newSlots(cfg.MaxUpdates, cfg.MaxBehind, cfg.MaxWaiting),
	}
	s.cache = newCache(cfg.CacheBytes, images)
	return s
}

type counts struct {
	offers, continued, wants, chunks, bytes atomic.Uint64
	staleReports, badWants                  atomic.Uint64
	ended                                   [fleet.Stopped + 1]atomic.Uint64
}

// Stats counts since the start, and says how things stand now.
type Stats struct {
	Running int // downloads with a slot
	Waiting int // devices waiting for one
	Stalled int // downloads that lost theirs

	Offers       uint64 // sent
	Continued    uint64 // of them, those that went on with a running update
	Wants        uint64
	Chunks       uint64 // handed to links
	Bytes        uint64 // of encoded chunks handed to links
	StaleReports uint64 // of another image, update or session
	BadWants     uint64 // without an update, of another image, past the end
	CacheBytes   int64  // held now
	Ended        map[fleet.UpdateState]uint64
}

// Stats returns how things stand.
func (s *Service) Stats() Stats {
	stats := Stats{
		Offers: s.counts.offers.Load(), Continued: s.counts.continued.Load(), Wants: s.counts.wants.Load(),
		Chunks: s.counts.chunks.Load(), Bytes: s.counts.bytes.Load(),
		StaleReports: s.counts.staleReports.Load(), BadWants: s.counts.badWants.Load(),
		CacheBytes: s.cache.size(), Ended: make(map[fleet.UpdateState]uint64),
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
