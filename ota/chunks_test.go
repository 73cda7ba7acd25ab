package ota

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

// all reads the whole image of src, asking for count chunks at a time.
func all(t testing.TB, src *source, count uint32) []byte {
	t.Helper()
	var image []byte
	for first := uint32(0); first < src.count; {
		chunks, err := src.Chunks(nil, nil, first, count)
		if err != nil || len(chunks) == 0 || len(chunks) > int(count) {
			t.Fatalf("chunks from %d: got %d, %v", first, len(chunks), err)
		}
		for _, data := range chunks {
			c, err := wire.ParseChunk(data)
			if err != nil || c.Index != first || c.Image != src.digest.Image() {
				t.Fatalf("chunk %d: got index %d of %s, %v", first, c.Index, c.Image, err)
			}
			image = append(image, c.Data...)
			first++
		}
	}
	return image
}

func TestChunksAreTheImage(t *testing.T) {
	for _, size := range []int{1, 127, 128, 129, segmentBytes - 1, segmentBytes, segmentBytes + 1, 3*segmentBytes + 77} {
		for _, chunk := range []uint32{wire.MinChunk, 4 << 10, wire.MaxChunk} {
			w := newWorld(t, Config{})
			f := w.firmware("2", size)
			src := w.source(product, f.Digest, f.Size, chunk)
			if got := all(t, src, 16); !bytes.Equal(got, w.bytes[f.Digest]) {
				t.Errorf("%d bytes in chunks of %d: differ", size, chunk)
			}
			if sent := src.sent.Load(); sent != int64(size) {
				t.Errorf("%d bytes in chunks of %d: counted %d", size, chunk, sent)
			}
			if _, err := src.Chunks(nil, nil, src.count, 1); !errors.Is(err, fleet.Invalid) {
				t.Errorf("past the end: got %v, want invalid", err)
			}
		}
	}
}

func TestASegmentIsEncodedOnceHoweverManyAsk(t *testing.T) {
	w := newWorld(t, Config{})
	f := w.firmware("2", segmentBytes)
	var wait sync.WaitGroup
	var mu sync.Mutex
	firsts := map[*byte]bool{}
	for range 50 {
		wait.Go(func() {
			chunks, err := w.source(product, f.Digest, f.Size, 4096).Chunks(nil, nil, 0, 1)
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			firsts[&chunks[0][0]] = true
		})
	}
	wait.Wait()
	if w.opened != 1 || len(firsts) != 1 {
		t.Errorf("got %d loads and %d copies, want 1 and 1", w.opened, len(firsts))
	}
}

func TestCacheKeepsToItsBudgetAndForgetsWhatWasUsedLongestAgo(t *testing.T) {
	const budget = 4 * (segmentBytes + segmentBytes/10)
	w := newWorld(t, Config{CacheBytes: budget})
	f := w.firmware("2", 8*segmentBytes)
	src := w.source(product, f.Digest, f.Size, 4096)
	segment := func(n uint32) {
		t.Helper()
		if _, err := src.Chunks(nil, nil, n*perSegment(4096), 1); err != nil {
			t.Fatal(err)
		}
		if held := w.Stats().CacheBytes; held > budget {
			t.Errorf("got %d bytes held, want at most %d", held, budget)
		}
	}
	for n := range uint32(4) {
		segment(n)
	}
	segment(0)
	segment(4) // 1 goes, not 0
	w.opened = 0
	segment(0)
	if w.opened != 0 {
		t.Error("the segment used last was forgotten")
	}
	segment(1)
	if w.opened != 1 {
		t.Error("the segment used longest ago was kept")
	}
}

func TestALoadThatFailedIsTriedAgain(t *testing.T) {
	w := newWorld(t, Config{})
	f := w.firmware("2", 1000)
	data := w.bytes[f.Digest]
	delete(w.bytes, f.Digest)
	src := w.source(product, f.Digest, f.Size, 4096)
	if _, err := src.Chunks(nil, nil, 0, 1); !errors.Is(err, fleet.NotFound) {
		t.Errorf("got %v, want not found", err)
	}
	w.bytes[f.Digest] = data
	if _, err := src.Chunks(nil, nil, 0, 1); err != nil {
		t.Errorf("got %v, want none", err)
	}
}

// TestAnImageThatIsCutOffIsAnError holds that what is missing is not made up from what was
// read before, which may be another team's.
func TestAnImageThatIsCutOffIsAnError(t *testing.T) {
	w := newWorld(t, Config{})
	other, f := w.firmware("1", 50_000), w.firmware("2", 50_000)
	all(t, w.source(product, other.Digest, other.Size, 4096), 16)
	w.bytes[f.Digest] = w.bytes[f.Digest][:10_000]
	for range 2 { // nothing of it is kept, either
		if chunks, err := w.source(product, f.Digest, f.Size, 4096).Chunks(nil, nil, 0, 13); err == nil {
			t.Errorf("got %d chunks, want an error", len(chunks))
		}
	}
}

func TestPacerHoldsTheRateOverAllDownloads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const rate = 100_000
		w := newWorld(t, Config{Rate: rate})
		f := w.firmware("2", 500_000)
		began := time.Now()
		var wait sync.WaitGroup
		for range 4 {
			wait.Go(func() { all(t, w.source(product, f.Digest, f.Size, 1024), 16) })
		}
		wait.Wait()
		took, want := time.Since(began), time.Duration(w.Stats().Bytes)*time.Second/rate
		if took < want-time.Second || took > want+time.Second {
			t.Errorf("%d bytes took %s, want %s", w.Stats().Bytes, took, want)
		}
	})
}

func TestPacerEndsWithTheLink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Config{Rate: 1000})
		f := w.firmware("2", 100_000)
		src := w.source(product, f.Digest, f.Size, 64<<10)
		if _, err := src.Chunks(nil, nil, 0, 1); err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		ended := make(chan error)
		go func() {
			_, err := src.Chunks(done, nil, 1, 1)
			ended <- err
		}()
		synctest.Wait()
		close(done)
		if err := <-ended; err == nil {
			t.Error("got chunks for a closed link")
		}
		if _, err := src.Chunks(done, nil, 0, 1); err == nil {
			t.Error("got chunks for a link that was closed before")
		}
	})
}

func BenchmarkChunks(b *testing.B) {
	for _, chunk := range []uint32{4 << 10, 16 << 10} {
		b.Run(fmt.Sprintf("cached/%dKiB", chunk>>10), func(b *testing.B) {
			w := newWorld(b, Config{})
			f := w.firmware("2", 4<<20)
			src := w.source(product, f.Digest, f.Size, chunk)
			all(b, src, 64)
			benchmarkImage(b, src)
		})
	}
	b.Run("uncached/4KiB", func(b *testing.B) {
		w := newWorld(b, Config{CacheBytes: 1})
		f := w.firmware("2", 4<<20)
		benchmarkImage(b, w.source(product, f.Digest, f.Size, 4<<10))
	})
}

func benchmarkImage(b *testing.B, src *source) {
	var dst [][]byte
	var err error
	b.SetBytes(src.size)
	b.ReportAllocs()
	for b.Loop() {
		for first := uint32(0); first < src.count; first += uint32(len(dst)) {
			if dst, err = src.Chunks(nil, dst[:0], first, 64); err != nil {
				b.Fatal(err)
			}
		}
	}
}
