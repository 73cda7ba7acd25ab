package feed

import (
	"context"
	_ "embed"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/store/document"
	"github.com/muster-iot/muster/store/keys"
	"github.com/muster-iot/muster/store/pipeline"
	"github.com/muster-iot/muster/store/record"
)

var (
	//go:embed tag.lua
	tagSource string
	//go:embed note.lua
	noteSource string

	tagScript  = pipeline.NewScript(tagSource)
	noteScript = pipeline.NewScript(noteSource)
)

// Scripts returns the scripts of this package, which the pipeline must load besides those of Noting.
func Scripts() []*pipeline.Script { return []*pipeline.Script{tagScript, noteScript} }

// Tags keeps the tags of catalogs that lie in each bucket. It is safe for concurrent use.
type Tags struct {
	redis *pipeline.Pipeline
	docs  *document.Documents[fleet.ProductID, fleet.Catalog]
	kept  int
	self  string

	mu      sync.Mutex
	lagging map[fleet.ProductID]bool // a bucket has another tag than the catalog; guarded by mu
}

// NewTags returns the tags of the catalogs docs, whose feed keeps about kept entries; 0: Kept. self names
// this process there.
func NewTags(p *pipeline.Pipeline, docs *document.Documents[fleet.ProductID, fleet.Catalog], kept int, self string) *Tags {
	if kept == 0 {
		kept = Kept
	}
	return &Tags{redis: p, docs: docs, kept: kept, self: self, lagging: map[fleet.ProductID]bool{}}
}

// Edit calls write, which writes the catalog of a product and returns what devices get at once, and
// returns when every bucket has its tag: each later save sees it. If the process ends before that, another one finishes it. After
// fleet.Unavailable the catalog may have been written, and the tags follow then, too.
func (t *Tags) Edit(ctx context.Context, product fleet.ProductID, write func() (fleet.Immediate, error)) error {
	id := t.redis.Nonce()
	err := t.redis.Do(ctx, keys.Edits, func(p redis.Pipeliner) redis.Cmder {
		return p.HSet(context.Background(), keys.Edits, id, product.String())
	})
	if err != nil {
		return err
	}
	ctx = context.WithoutCancel(ctx) // whoever waits for the answer: it is written now
	immediate, err := write()
	if err != nil {
		if !errors.Is(err, fleet.Unavailable) {
			_ = t.redis.Do(ctx, keys.Edits, func(p redis.Pipeliner) redis.Cmder { return p.HDel(context.Background(), keys.Edits, id) }) // else it is finished, to no effect
		}
		return err
	}
	return t.publish(ctx, product, id, textOf(immediate))
}

// maxSpreads bounds how often a catalog that keeps changing is read.
const maxSpreads = 32

// publish gives each bucket the tag of a catalog, as it is now, and ends the edit. now is what devices
// get at once.
func (t *Tags) publish(ctx context.Context, product fleet.ProductID, edit, now string) error {
	for range maxSpreads {
		tag, err := t.docs.Tag(ctx, product)
		if err != nil {
			return err
		}
		newer, err := t.spread(ctx, product, tag)
		if err != nil {
			return err
		}
		if newer == "" {
			_, err := t.redis.Run(ctx, noteScript, []string{keys.Tags(keys.Catalogs), keys.Feed(keys.Catalogs), keys.Edits}, t.kept, product.String(), tag, t.redis.Nonce(), edit, t.self, now)
			return err
		}
		if latest, err := t.docs.Tag(ctx, product); err != nil || latest != tag {
			continue // it was edited meanwhile
		}
		// A fail-over lost edits that the buckets have: their revisions must not be used again.
		if err := t.docs.Raise(ctx, product, revisionOf(newer)); err != nil && !errors.Is(err, fleet.Conflict) {
			return err
		}
	}
	return fleet.Errorf(fleet.Busy, "the catalog of product %s changes too often: try again", product)
}

func revisionOf(tag string) uint64 {
	revision, _, _ := strings.Cut(tag, ".")
	return record.Decimal(revision)
}

// spread gives each bucket a tag, "" for none. It returns the newest of other tags that are there
// instead, because they are as new.
func (t *Tags) spread(ctx context.Context, product fleet.ProductID, tag string) (newest string, err error) {
	var mu sync.Mutex
	var all sync.WaitGroup
	for bucket := range keys.Buckets {
		all.Go(func() {
			reply, failed := t.redis.Run(ctx, tagScript, []string{keys.Tags(bucket)}, tagField(product), tag)
			other, _ := reply.(string)
			mu.Lock()
			defer mu.Unlock()
			if failed != nil {
				err = failed
			}
			if other != "" && revisionOf(other) >= revisionOf(newest) {
				newest = other
			}
		})
	}
	all.Wait()
	return newest, err
}

// Lags notes that a bucket has another tag than the catalog of a product: it is soon corrected.
func (t *Tags) Lags(product fleet.ProductID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lagging[product] = true
}

// repair corrects the tags that lag, as far as their masters answer.
func (t *Tags) repair(ctx context.Context) {
	t.mu.Lock()
	lagging := t.lagging
	t.lagging = map[fleet.ProductID]bool{}
	t.mu.Unlock()
	for product := range lagging {
		if err := t.publish(ctx, product, "", ""); err != nil {
			t.Lags(product)
		}
	}
}

// abandoned is how long an edit may take: after that, its process has ended, or hangs. To finish an edit
// of a process that works does no harm.
const abandoned = 5 * time.Second

// edits are the edits of catalogs that are under way in any process.
type edits struct {
	mu    sync.Mutex
	since map[string]time.Time // by id: when it was seen first, by this process's clock; guarded by mu
	open  map[string]string    // id -> product, as last seen; guarded by mu
}

// saw notes which edits are under way.
func (e *edits) saw(open map[string]string, now time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.open = open
	for id := range e.since {
		if _, is := open[id]; !is {
			delete(e.since, id)
		}
	}
	for id := range open {
		if e.since[id].IsZero() {
			e.since[id] = now
		}
	}
}

// old returns the edits that were abandoned.
func (e *edits) old(now time.Time) map[string]fleet.ProductID {
	e.mu.Lock()
	defer e.mu.Unlock()
	old := map[string]fleet.ProductID{}
	for id, product := range e.open {
		if now.Sub(e.since[id]) > abandoned {
			old[id] = fleet.ProductID(record.Decimal(product))
		}
	}
	return old
}

// tend repairs tags that lag and finishes edits that were abandoned.
func (f *Feed) tend(ctx context.Context) {
	f.config.Tags.repair(ctx)
	for id, product := range f.edits.old(time.Now()) {
		if err := f.config.Tags.publish(ctx, product, id, unknown); err == nil {
			f.config.Log.Info("finished an edit of a catalog that another server began", "product", product)
		}
	}
}
