package ota

import (
	"sync/atomic"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

// source gives the chunks of one download: shared bytes from the cache, at the pacer's
// speed, counted. It is safe for concurrent use.
type source struct {
	service *Service
	product fleet.ProductID
	digest  fleet.Digest
	size    int64  // bytes of the image
	chunk   uint32 // bytes per chunk
	count   uint32 // chunks of the image
	*flow
}

// flow counts what went out, over all chunk sizes of one download.
type flow struct {
	sent atomic.Int64 // bytes of image data
	last atomic.Int64 // when, Unix time ns
}

func (s *Service) source(product fleet.ProductID, digest fleet.Digest, size int64, chunk uint32) *source {
	return &source{
		service: s, product: product, digest: digest, size: size,
		chunk: chunk, count: wire.ChunkCount(size, chunk), flow: &flow{},
	}
}

// in is the same download in chunks of another size.
func (s *source) in(chunk uint32) *source {
	other := *s
	other.chunk, other.count = chunk, wire.ChunkCount(s.size, chunk)
	return &other
}

var errClosed = fleet.Errorf(fleet.Unavailable, "the link was closed")

// Chunks implements wire.ChunkSource: it returns the chunks from first on that are in one
// segment of the cache, fewer where the pacer is slow.
func (s *source) Chunks(done <-chan struct{}, dst [][]byte, first, count uint32) ([][]byte, error) {
	if first >= s.count || count == 0 {
		return dst, fleet.Errorf(fleet.Invalid, "chunk %d of %d", first, s.count)
	}
	per := perSegment(s.chunk)
	key := segmentKey{product: s.product, digest: s.digest, chunk: s.chunk, number: first / per}
	chunks, err := s.service.cache.chunks(key, s.size)
	s.service.unreadable.note(s.digest, err)
	if err != nil {
		return dst, err
	}
	chunks = chunks[first%per:]
	chunks = chunks[:min(int(count), len(chunks), s.service.pacer.batch(int64(s.chunk)))]
	var bytes int64
	for _, c := range chunks {
		bytes += int64(len(c))
	}
	if !s.service.pacer.wait(done, bytes) {
		return dst, errClosed
	}
	s.sent.Add(min(int64(len(chunks))*int64(s.chunk), s.size-int64(first)*int64(s.chunk)))
	s.last.Store(time.Now().UnixNano())
	s.service.counts.chunks.Add(uint64(len(chunks)))
	s.service.counts.bytes.Add(uint64(bytes))
	return append(dst, chunks...), nil
}
