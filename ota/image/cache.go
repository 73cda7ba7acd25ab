package image

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

// segmentBytes is about how much image data is read and encoded at once.
const segmentBytes = 128 << 10

// cache holds encoded chunks by image and chunk size, in segments, within a budget of bytes.
// It evicts the least recently used segment; callers may keep what they got of it. A segment
// is read and encoded once, however many ask for it at the same time.
type cache struct {
	images Store
	budget int64

	mu       sync.Mutex
	segments map[segmentKey]*segment // guarded by mu
	recent   *list.List              // of *segment, loaded ones, newest first; guarded by mu
	held     int64                   // bytes of the loaded ones; guarded by mu
}

type segmentKey struct {
	product fleet.ProductID
	digest  fleet.Digest
	chunk   uint32 // bytes per chunk
	number  uint32 // of the segment within the image
}

type segment struct {
	key    segmentKey
	loaded chan struct{} // closed when chunks or err is set
	chunks [][]byte
	bytes  int64
	err    error
	place  *list.Element // in recent; guarded by cache.mu
}

func newCache(budget int64, images Store) *cache {
	return &cache{images: images, budget: budget, segments: make(map[segmentKey]*segment), recent: list.New()}
}

func perSegment(chunk uint32) uint32 { return max(segmentBytes/chunk, 1) }

func (c *cache) size() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.held
}

// chunks returns the encoded chunks of one segment of an image of size bytes. It may read
// the disk, and wait for what that takes or until done is closed: then it returns errClosed.
func (c *cache) chunks(done <-chan struct{}, key segmentKey, size int64) ([][]byte, error) {
	for {
		seg, first := c.segment(key)
		if first {
			c.fill(until(done), seg, size)
		} else if !seg.await(done) {
			return nil, errClosed
		}
		switch {
		case !errors.Is(seg.err, context.Canceled):
			return seg.chunks, seg.err
		case first:
			return nil, errClosed
		} // whoever began to load it has left
	}
}

// segment returns the segment of that key, and whether the caller is the first to ask for it and
// has to fill it.
func (c *cache) segment(key segmentKey) (seg *segment, first bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if seg, ok := c.segments[key]; ok {
		if seg.place != nil {
			c.recent.MoveToFront(seg.place)
		}
		return seg, false
	}
	seg = &segment{key: key, loaded: make(chan struct{})}
	c.segments[key] = seg
	return seg, true
}

func (c *cache) fill(ctx context.Context, seg *segment, size int64) {
	seg.chunks, seg.bytes, seg.err = c.load(ctx, seg.key, size)
	c.mu.Lock()
	if seg.err != nil {
		delete(c.segments, seg.key) // the next caller tries again
	} else {
		seg.place = c.recent.PushFront(seg)
		c.held += seg.bytes
		c.evict()
	}
	c.mu.Unlock()
	close(seg.loaded)
}

// await waits until s is loaded, and reports false if done was closed before.
func (s *segment) await(done <-chan struct{}) bool {
	select {
	case <-s.loaded:
		return true
	default:
	}
	select {
	case <-s.loaded:
		return true
	case <-done:
		return false
	}
}

// try reads a whole image.
func (c *cache) try(ctx context.Context, product fleet.ProductID, digest fleet.Digest) error {
	image, err := c.images.Open(ctx, product, digest)
	if err != nil {
		return err
	}
	defer image.Close()
	_, err = io.Copy(io.Discard, image)
	return err
}

// evict drops segments until the budget holds, but never the newest.
func (c *cache) evict() {
	for c.held > c.budget && c.recent.Len() > 1 {
		seg := c.recent.Remove(c.recent.Back()).(*segment)
		delete(c.segments, seg.key)
		c.held -= seg.bytes
	}
}

// sliceBytes is the cost of a chunk in addition to its encoding: its slice header.
const sliceBytes = 24

// pieces are buffers for image data that is about to be encoded.
var pieces = sync.Pool{New: func() any { return new([]byte) }}

func (c *cache) load(ctx context.Context, key segmentKey, size int64) (chunks [][]byte, bytes int64, err error) {
	image, err := c.images.Open(ctx, key.product, key.digest)
	if err != nil {
		return nil, 0, err
	}
	defer image.Close()
	span := int64(perSegment(key.chunk)) * int64(key.chunk)
	offset := int64(key.number) * span
	scratch := pieces.Get().(*[]byte)
	defer pieces.Put(scratch)
	data := slices.Grow((*scratch)[:0], int(span))[:min(span, size-offset)]
	*scratch = data
	if n, err := image.ReadAt(data, offset); n < len(data) { // else the rest would be another image's
		return nil, 0, fmt.Errorf("image %s ends at %d: %w", key.digest, offset+int64(n), err)
	}
	n := (len(data) + int(key.chunk) - 1) / int(key.chunk)
	encoded := make([]byte, 0, len(data)+n*wire.MaxChunkOverhead)
	chunks = make([][]byte, 0, n)
	index := key.number * perSegment(key.chunk)
	for len(data) > 0 {
		piece := data[:min(int(key.chunk), len(data))]
		start := len(encoded)
		encoded = wire.AppendChunk(encoded, wire.Chunk{Image: key.digest.Image(), Index: index, Data: piece})
		chunks = append(chunks, encoded[start:len(encoded):len(encoded)])
		data = data[len(piece):]
		index++
	}
	return chunks, int64(cap(encoded) + sliceBytes*n), nil
}
