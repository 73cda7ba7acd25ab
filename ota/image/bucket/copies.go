package bucket

import (
	"container/list"
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/ota/image"
)

// key names an image.
type key struct {
	product fleet.ProductID
	digest  fleet.Digest
}

// copies are whole, verified images on disk, within a budget of bytes: the ones used longest ago
// are dropped. The order is that of this process; a start begins with the order of writing.
type copies struct {
	dir    *image.Directory
	budget int64
	room   func(bytes int64) error // refuses what would fill the disk
	log    *slog.Logger

	mu      sync.Mutex
	entries map[key]*list.Element // guarded by mu
	recent  *list.List            // of *entry, used last at the front; guarded by mu
	held    int64                 // bytes; guarded by mu
	warned  time.Time             // when the budget was last said to be too small; guarded by mu
}

type entry struct {
	key
	size int64
	used time.Time // zero: not since the start
}

// openCopies opens the folder of copies, drops what an interrupted fetch left there, and what is
// over the budget.
func openCopies(folder string, budget int64, room func(int64) error, log *slog.Logger) (*copies, error) {
	dir, err := image.OpenDirectory(folder, nil)
	if err != nil {
		return nil, err
	}
	all, err := dir.Images()
	if err != nil {
		return nil, err
	}
	c := &copies{dir: dir, budget: budget, room: room, log: log, entries: make(map[key]*list.Element), recent: list.New()}
	dir.Reserve(c.reserve)
	for _, kept := range all {
		c.put(entry{key: key{kept.Product, kept.Digest}, size: kept.Size})
	}
	c.makeRoom(0)
	return c, nil
}

// open opens a copy; fleet.NotFound when there is none. One that is damaged is dropped.
func (c *copies) open(ctx context.Context, k key) (image.File, error) {
	file, err := c.dir.Open(ctx, k.product, k.digest)
	if err == nil {
		c.touch(k)
		return file, nil
	}
	if !errors.Is(err, fleet.NotFound) {
		c.log.Warn("a copy of an image can't be used: it is fetched again", "image", k.digest.String(), "err", err)
		c.drop(k)
	}
	return nil, fleet.Errorf(fleet.NotFound, "no copy of the image %s", k.digest)
}

// add makes a staged image a copy.
func (c *copies) add(ctx context.Context, product fleet.ProductID, s *image.Staged) error {
	e := entry{key: key{product, s.Digest}, size: s.Size, used: time.Now()}
	if err := c.dir.Commit(ctx, product, s, func(string) error { return nil }); err != nil {
		return err
	}
	c.put(e)
	c.makeRoom(0)
	return nil
}

func (c *copies) put(e entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.remove(e.key)
	c.entries[e.key] = c.recent.PushFront(&e)
	c.held += e.size
}

func (c *copies) touch(k key) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if place := c.entries[k]; place != nil {
		place.Value.(*entry).used = time.Now()
		c.recent.MoveToFront(place)
	}
}

// remove takes an entry off the list. The caller holds mu.
func (c *copies) remove(k key) {
	if place := c.entries[k]; place != nil {
		c.held -= c.recent.Remove(place).(*entry).size
		delete(c.entries, k)
	}
}

// drop removes a copy. A download that has it open reads it to its end.
func (c *copies) drop(k key) {
	c.mu.Lock()
	c.remove(k)
	c.mu.Unlock()
	if err := c.dir.Delete(context.Background(), k.product, k.digest, ""); err != nil {
		c.log.Warn("a copy of an image can't be removed", "image", k.digest.String(), "err", err)
	}
}

// makeRoom drops copies until size more bytes are within the budget and the disk's reserve, or
// none can be dropped. With size 0 the last one used stays.
func (c *copies) makeRoom(size int64) {
	for {
		oldest, ok := c.oldest(size)
		if !ok {
			return
		}
		c.drop(oldest)
	}
}

// reserve returns nil if the disk has room for size more bytes of an image, for which copies are
// dropped.
func (c *copies) reserve(size int64) error {
	for {
		err := c.room(size)
		if err == nil {
			return nil
		}
		c.mu.Lock()
		last := c.recent.Back()
		c.mu.Unlock()
		if last == nil {
			return err
		}
		c.drop(last.Value.(*entry).key)
	}
}

// oldest returns the copy to drop next for size more bytes.
func (c *copies) oldest(size int64) (oldest key, ok bool) {
	full := size > 0 && c.room(size) != nil
	c.mu.Lock()
	defer c.mu.Unlock()
	last := c.recent.Back()
	if last == nil || size == 0 && c.recent.Len() == 1 || c.held+size <= c.budget && !full {
		return key{}, false
	}
	e := last.Value.(*entry)
	if now := time.Now(); now.Sub(e.used) < soon && now.Sub(c.warned) >= soon {
		c.warned = now
		c.log.Warn("there is too little room for copies of images: one that devices download now is dropped, and fetched again; raise images.cache, or free the disk",
			"cache", c.budget, "disk_full", full)
	}
	return e.key, true
}

// soon is how long after its last use a copy should still be there.
const soon = 10 * time.Minute

// size is how many bytes the copies have.
func (c *copies) size() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.held
}
