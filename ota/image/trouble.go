package image

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

// trouble is the images that could not be read when that was last tried. They are
// forgotten as soon as they can be read.
type trouble struct {
	any atomic.Bool // whether there are any: nearly always there are none

	mu     sync.Mutex
	images map[fleet.Digest]*failure // guarded by mu
}

// failure is that of one image.
type failure struct {
	product     fleet.ProductID
	since, last time.Time
	err         error
	reported    bool // cause returned it
}

// note records the outcome of reading an image.
func (t *trouble) note(product fleet.ProductID, digest fleet.Digest, err error) {
	if err == nil && !t.any.Load() {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	f := t.images[digest]
	switch {
	case err == nil:
		delete(t.images, digest)
	case f != nil:
		f.last, f.err = time.Now(), err
	default:
		if t.images == nil {
			t.images = make(map[fleet.Digest]*failure)
		}
		t.images[digest] = &failure{product: product, since: time.Now(), last: time.Now(), err: err}
	}
	t.any.Store(len(t.images) > 0)
}

// look returns since when reading an image fails; failing is false where the last failure
// is wire.SlotTimeout ago or longer, or there was none.
func (t *trouble) look(digest fleet.Digest, now time.Time) (since time.Time, failing bool) {
	if !t.any.Load() {
		return time.Time{}, false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	f := t.images[digest]
	if f == nil || now.Sub(f.last) >= wire.SlotTimeout {
		return time.Time{}, false
	}
	return f.since, true
}

// all returns the images that can't be read, with their products.
func (t *trouble) all() map[fleet.Digest]fleet.ProductID {
	if !t.any.Load() {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	all := make(map[fleet.Digest]fleet.ProductID, len(t.images))
	for digest, f := range t.images {
		all[digest] = f.product
	}
	return all
}

func (t *trouble) cause(digest fleet.Digest) error {
	if !t.any.Load() {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	f := t.images[digest]
	if f == nil || f.reported {
		return nil
	}
	f.reported = true
	return f.err
}
