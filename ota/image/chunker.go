package image

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

// Chunker makes the chunks of all downloads: encoded once, cached, and sent no faster than
// its rate. It may be used concurrently.
type Chunker struct {
	cache   *cache
	pace    *pacer // nil: unlimited
	trouble trouble
	began   time.Time // with a monotonic reading

	chunks, bytes atomic.Uint64
}

// NewChunker returns a Chunker of images. cacheBytes bounds the encoded chunks it keeps in
// memory; bytesPerSecond limits all downloads together, 0 is unlimited.
func NewChunker(images Store, cacheBytes, bytesPerSecond int64) *Chunker {
	c := &Chunker{cache: newCache(cacheBytes, images), began: time.Now()}
	if bytesPerSecond > 0 {
		c.pace = newPacer(bytesPerSecond)
	}
	return c
}

// Stats counts since the start; CacheBytes are held now.
type Stats struct {
	Chunks     uint64 // handed out
	Bytes      uint64 // of them, encoded
	CacheBytes int64
}

// Stats returns the counts of this moment.
func (c *Chunker) Stats() Stats {
	return Stats{Chunks: c.chunks.Load(), Bytes: c.bytes.Load(), CacheBytes: c.cache.size()}
}

// Failing reports whether reading an image failed within the last wire.SlotTimeout.
func (c *Chunker) Failing(digest fleet.Digest, now time.Time) bool {
	_, failing := c.trouble.look(digest, now)
	return failing
}

// Unreadable reports whether an image can't be read and hasn't been readable for
// wire.SlotTimeout.
func (c *Chunker) Unreadable(digest fleet.Digest, now time.Time) bool {
	since, failing := c.trouble.look(digest, now)
	return failing && now.Sub(since) >= wire.SlotTimeout
}

// tryTimeout bounds how long Recovered waits for images that are fetched from elsewhere.
const tryTimeout = time.Second

// Recovered reads the images again that could not be read, and returns those that can be read now.
func (c *Chunker) Recovered(ctx context.Context) (images []fleet.Digest) {
	failed := c.trouble.all()
	if len(failed) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, tryTimeout)
	defer cancel()
	var mu sync.Mutex
	var tries sync.WaitGroup
	for digest, product := range failed {
		tries.Go(func() {
			err := c.cache.try(ctx, product, digest)
			if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
				return // still being fetched
			}
			c.trouble.note(product, digest, err)
			if err == nil {
				mu.Lock()
				defer mu.Unlock()
				images = append(images, digest)
			}
		})
	}
	tries.Wait()
	return images
}

// Cause returns why an image can't be read, once: then nil, until it was readable.
func (c *Chunker) Cause(digest fleet.Digest) error { return c.trouble.cause(digest) }
