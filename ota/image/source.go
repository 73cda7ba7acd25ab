package image

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

// Source is the chunks of one download. It may be used concurrently; its exported fields
// are not to be changed.
type Source struct {
	Product fleet.ProductID
	Digest  fleet.Digest
	Size    int64  // bytes of the image
	Chunk   uint32 // bytes per chunk
	Count   uint32 // chunks of the image

	chunker *Chunker
	*flow
}

// flow counts what went out, over all chunk sizes of one download.
type flow struct {
	sent atomic.Int64 // bytes of image data
	last atomic.Int64 // when, in ns since the Chunker was made; 0: none yet
}

// Source returns the image of product with that digest, size bytes long, in chunks of
// chunk bytes. It reads nothing yet.
func (c *Chunker) Source(product fleet.ProductID, digest fleet.Digest, size int64, chunk uint32) *Source {
	return &Source{
		Product: product, Digest: digest, Size: size, Chunk: chunk, Count: wire.ChunkCount(size, chunk),
		chunker: c, flow: &flow{},
	}
}

// In returns the same download in chunks of another size.
func (s *Source) In(chunk uint32) *Source {
	other := *s
	other.Chunk, other.Count = chunk, wire.ChunkCount(s.Size, chunk)
	return &other
}

// Continue makes s count on from earlier, the same update over the same connection. It is
// called before s is shared.
func (s *Source) Continue(earlier *Source) { s.flow = earlier.flow }

// Sent is how many bytes of image data went out, repeated ones included.
func (s *Source) Sent() int64 { return s.sent.Load() }

// LastSent is when a chunk last went out, by elapsed time whatever the machine's clock does; the
// zero time where none did.
func (s *Source) LastSent() time.Time {
	last := s.last.Load()
	if last == 0 {
		return time.Time{}
	}
	return s.chunker.began.Add(time.Duration(last))
}

var errClosed = fleet.Errorf(fleet.Unavailable, "the link was closed")

// Chunks implements wire.ChunkSource: it returns the chunks from first on that are in one
// segment of the cache, fewer where the rate is low. It waits for them, and for the rate, until
// done is closed.
func (s *Source) Chunks(done <-chan struct{}, dst [][]byte, first, count uint32) ([][]byte, error) {
	if first >= s.Count || count == 0 {
		return dst, fleet.Errorf(fleet.Invalid, "chunk %d of %d", first, s.Count)
	}
	c, per := s.chunker, perSegment(s.Chunk)
	key := segmentKey{product: s.Product, digest: s.Digest, chunk: s.Chunk, number: first / per}
	chunks, err := c.cache.chunks(done, key, s.Size)
	if errors.Is(err, errClosed) {
		return dst, err
	}
	c.trouble.note(s.Product, s.Digest, err)
	if err != nil {
		return dst, err
	}
	chunks = chunks[first%per:]
	chunks = chunks[:c.pace.batch(int(s.Chunk), min(int(count), len(chunks)))]
	bytes := 0
	for _, chunk := range chunks {
		bytes += len(chunk)
	}
	if !c.pace.wait(done, bytes) {
		return dst, errClosed
	}
	s.sent.Add(min(int64(len(chunks))*int64(s.Chunk), s.Size-int64(first)*int64(s.Chunk)))
	s.last.Store(max(int64(time.Since(c.began)), 1))
	c.chunks.Add(uint64(len(chunks)))
	c.bytes.Add(uint64(bytes))
	return append(dst, chunks...), nil
}
