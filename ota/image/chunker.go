package image

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

// Chunker makes the chunks of all downloads: encoded once, cached, and sent no faster than
// its rate. It may be used concurrently.
type Chunker struct {
	cache   *cache
	limiter *rate.Limiter // nil: unlimited
	trouble trouble
	began   time.Time // with a monotonic reading

	chunks, bytes atomic.Uint64
}

// NewChunker returns a Chunker of images. cacheBytes bounds the encoded chunks it keeps in
// memory; bytesPerSecond limits all downloads together, 0 is unlimited.
func NewChunker(images Store, cacheBytes, bytesPerSecond int64) *Chunker {
	c := &Chunker{cache: newCache(cacheBytes, images), began: time.Now()}
	if bytesPerSecond > 0 {
		c.limiter = rate.NewLimiter(rate.Limit(bytesPerSecond), burst(bytesPerSecond))
	}
	return c
}

const (
	paceBurst = 100 * time.Millisecond // unused time that is kept
	paceBatch = 50 * time.Millisecond  // worth of bytes that one wait takes at most
)

// burst is how many bytes may go at once after a pause: paceBurst's worth, and at least the
// largest chunk, which would never go otherwise.
func burst(bytesPerSecond int64) int {
	return int(max(bytesPerSecond*int64(paceBurst)/int64(time.Second), wire.MaxChunk+wire.MaxChunkOverhead))
}

// batch is how many chunks of size bytes one wait should ask for, at most count and at
// least one.
func (c *Chunker) batch(size, count int) int {
	if c.limiter == nil {
		return count
	}
	return min(count, max(int(float64(c.limiter.Limit())*paceBatch.Seconds())/size, 1))
}

// wait waits until n bytes may go, and reports false when done is closed before.
func (c *Chunker) wait(done <-chan struct{}, n int) bool {
	if c.limiter == nil {
		return true
	}
	select {
	case <-done:
		return false
	default:
	}
	delay := c.limiter.ReserveN(time.Now(), n).Delay()
	if delay == 0 {
		return true
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-done:
		return false
	case <-timer.C:
		return true
	}
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
