package feed

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/index"
	"github.com/muster-iot/muster/store/keys"
	"github.com/muster-iot/muster/store/pipeline"
)

// Kept is how many entries of each feed are kept, about: 50 s of 5,000 writes per second.
const Kept = 1000

// Config is what a Feed works with.
type Config struct {
	Redis *pipeline.Pipeline
	Index *index.Index
	Log   *slog.Logger

	// Joined reports whether other processes write the records, too. If not, there are no feeds.
	Joined bool
	// Kept is how many entries of each feed are kept; 0: Kept.
	Kept int
	// Catalog is called when the catalog of a product has a tag that another process may have
	// written, and with 0 when that may be so for all. It must not block. Joined only.
	Catalog func(product fleet.ProductID, tag string)
	// Self names this process in entries of catalogs. Joined only.
	Self string
	// Tags finishes edits of catalogs that other processes began. Joined only.
	Tags *Tags
}

// Feed keeps an index equal to the records. It is safe for concurrent use.
type Feed struct {
	config Config
	parts  [keys.Parts]part // of a joined process
	edits  edits
	heard  heard

	rescanning atomic.Bool
	tending    atomic.Bool
	applied    atomic.Uint64
	rescans    atomic.Uint64

	mu       sync.Mutex
	doubtful map[fleet.DeviceID]bool // whether a write was carried out is unknown; guarded by mu
	all      bool                    // every device is doubtful; guarded by mu
}

// New returns the feed of an index without devices. Note, if joined, and Read must be called next.
func New(config Config) *Feed {
	if config.Kept == 0 {
		config.Kept = Kept
	}
	f := &Feed{config: config, heard: heard{edits: make(chan Edited, 256)}, doubtful: map[fleet.DeviceID]bool{}}
	f.edits.since = map[string]time.Time{}
	for i := range f.parts {
		f.parts[i].ahead = map[fleet.DeviceID]write{}
	}
	return f
}

// Joined reports whether other processes write the records, too.
func (f *Feed) Joined() bool { return f.config.Joined }

// Saved stores in the index what this process has written. seq is the number of the write's entry,
// 0 if it was not noted.
func (f *Feed) Saved(d *fleet.Device, seq uint64) {
	if !f.config.Joined {
		f.config.Index.Put(d)
		return
	}
	f.wrote(d.ID, write{seq, d.Base.Written}, func() { f.config.Index.Replace(d) })
}

// Deleted removes from the index what this process has deleted, by the write with this nonce.
func (f *Feed) Deleted(id fleet.DeviceID, nonce string, seq uint64) {
	if !f.config.Joined {
		f.config.Index.Remove(id)
		return
	}
	f.wrote(id, write{seq, nonce}, func() { f.config.Index.Remove(id) })
}

// wrote applies a write of this process, unless a later one of the same device was applied already.
func (f *Feed) wrote(id fleet.DeviceID, w write, apply func()) {
	p := &f.parts[keys.Bucket(id)]
	p.mu.Lock()
	defer p.mu.Unlock()
	if w.seq <= p.at.seq || w.seq <= p.ahead[id].seq {
		return
	}
	p.ahead[id] = w
	apply()
}

// Stats reports how far behind the other processes a joined one is.
type Stats struct {
	Joined  bool
	Rows    uint64        // writes that it has seen and not applied
	Behind  time.Duration // how long ago what it has was all there is
	Applied uint64        // writes of other processes that it has applied
	Rescans uint64        // parts that it has read again, because their feed has a gap
}

// Stats returns the counts so far.
func (f *Feed) Stats() Stats {
	s := Stats{Joined: f.config.Joined, Applied: f.applied.Load(), Rescans: f.rescans.Load()}
	if !s.Joined {
		return s
	}
	now := time.Now()
	for i := range f.parts {
		p := &f.parts[i]
		p.mu.Lock()
		s.Rows += p.behind
		s.Behind = max(s.Behind, now.Sub(p.whole))
		p.mu.Unlock()
	}
	return s
}

// heardWithin is how long ago a process may have looked at the feed of catalogs to use those in memory.
const heardWithin = time.Second

// Heard reports whether edits of catalogs by other processes are known, those of the last second
// excepted.
func (f *Feed) Heard() bool {
	p := &f.parts[keys.Catalogs]
	p.mu.Lock()
	defer p.mu.Unlock()
	return time.Since(p.whole) < heardWithin
}
