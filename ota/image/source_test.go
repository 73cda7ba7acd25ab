package image

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

// countedDirectory is a Directory that counts how often an image was opened.
type countedDirectory struct {
	*Directory
	t      testing.TB
	opened atomic.Int32
}

func newCounted(t testing.TB) *countedDirectory {
	d, _ := directory(t)
	return &countedDirectory{Directory: d, t: t}
}

func (s *countedDirectory) Open(ctx context.Context, p fleet.ProductID, digest fleet.Digest) (File, error) {
	s.opened.Add(1)
	return s.Directory.Open(ctx, p, digest)
}

// add keeps an image of size bytes; another seed makes other bytes.
func (s *countedDirectory) add(size int, seed byte) (image *Staged, data []byte) {
	s.t.Helper()
	data = make([]byte, size)
	for i := range data {
		data[i] = byte(i*7+i>>8) + seed
	}
	image, err := s.put(s.t.Context(), bytes.NewReader(data), int64(size))
	if err != nil {
		s.t.Fatal(err)
	}
	return image, data
}

func (c *Chunker) of(image *Staged, chunk uint32) *Source {
	return c.Source(product, image.Digest, image.Size, chunk)
}

// all reads the whole image of src, asking for count chunks at a time.
func all(t testing.TB, src *Source, count uint32) []byte {
	t.Helper()
	var image []byte
	for first := uint32(0); first < src.Count; {
		chunks, err := src.Chunks(nil, nil, first, count)
		if err != nil || len(chunks) == 0 || len(chunks) > int(count) {
			t.Fatalf("chunks from %d: got %d, %v", first, len(chunks), err)
		}
		for _, data := range chunks {
			c, err := wire.ParseChunk(data)
			if err != nil || c.Index != first || c.Image != src.Digest.Image() {
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
			images := newCounted(t)
			f, data := images.add(size, 0)
			src := NewChunker(images, 32<<20, 0).of(f, chunk)
			if got := all(t, src, 16); !bytes.Equal(got, data) {
				t.Errorf("%d bytes in chunks of %d: differ", size, chunk)
			}
			if sent := src.sent.Load(); sent != int64(size) {
				t.Errorf("%d bytes in chunks of %d: counted %d", size, chunk, sent)
			}
			if _, err := src.Chunks(nil, nil, src.Count, 1); !errors.Is(err, fleet.Invalid) {
				t.Errorf("past the end: got %v, want invalid", err)
			}
		}
	}
}

func TestASegmentIsEncodedOnceHoweverManyAsk(t *testing.T) {
	images := newCounted(t)
	f, _ := images.add(segmentBytes, 0)
	chunker := NewChunker(images, 32<<20, 0)
	var wait sync.WaitGroup
	var mu sync.Mutex
	firsts := map[*byte]bool{}
	for range 50 {
		wait.Go(func() {
			chunks, err := chunker.of(f, 4096).Chunks(nil, nil, 0, 1)
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
	if opened := images.opened.Load(); opened != 1 || len(firsts) != 1 {
		t.Errorf("got %d loads and %d copies, want 1 and 1", opened, len(firsts))
	}
}

func TestCacheKeepsToItsBudgetAndForgetsWhatWasUsedLongestAgo(t *testing.T) {
	const budget = 4 * (segmentBytes + segmentBytes/10)
	images := newCounted(t)
	f, _ := images.add(8*segmentBytes, 0)
	chunker := NewChunker(images, budget, 0)
	src := chunker.of(f, 4096)
	segment := func(n uint32) {
		t.Helper()
		if _, err := src.Chunks(nil, nil, n*perSegment(4096), 1); err != nil {
			t.Fatal(err)
		}
		if held := chunker.Stats().CacheBytes; held > budget {
			t.Errorf("got %d bytes held, want at most %d", held, budget)
		}
	}
	for n := range uint32(4) {
		segment(n)
	}
	segment(0)
	segment(4) // 1 goes, not 0
	images.opened.Store(0)
	segment(0)
	if images.opened.Load() != 0 {
		t.Error("the segment used last was forgotten")
	}
	segment(1)
	if images.opened.Load() != 1 {
		t.Error("the segment used longest ago was kept")
	}
}

func TestALoadThatFailedIsTriedAgain(t *testing.T) {
	images := newCounted(t)
	f, _ := images.add(1000, 0)
	name := images.path(product, f.Digest)
	if err := os.Rename(name, name+".away"); err != nil {
		t.Fatal(err)
	}
	src := NewChunker(images, 32<<20, 0).of(f, 4096)
	if _, err := src.Chunks(nil, nil, 0, 1); !errors.Is(err, fleet.NotFound) {
		t.Errorf("got %v, want not found", err)
	}
	if err := os.Rename(name+".away", name); err != nil {
		t.Fatal(err)
	}
	if _, err := src.Chunks(nil, nil, 0, 1); err != nil {
		t.Errorf("got %v, want none", err)
	}
}

// TestAnImageThatIsCutOffIsAnError holds that what is missing is not made up from what was
// read before, which may be another team's.
func TestAnImageThatIsCutOffIsAnError(t *testing.T) {
	images := newCounted(t)
	other, _ := images.add(50_000, 1)
	f, _ := images.add(50_000, 2)
	chunker := NewChunker(images, 32<<20, 0)
	all(t, chunker.of(other, 4096), 16)
	if err := os.Truncate(images.path(product, f.Digest), 10_000); err != nil {
		t.Fatal(err)
	}
	for range 2 { // nothing of it is kept, either
		if chunks, err := chunker.of(f, 4096).Chunks(nil, nil, 0, 13); err == nil {
			t.Errorf("got %d chunks, want an error", len(chunks))
		}
	}
}

func TestPacerHoldsTheRateOverAllDownloads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const rate = 100_000
		images := newCounted(t)
		f, _ := images.add(500_000, 0)
		chunker := NewChunker(images, 32<<20, rate)
		began := time.Now()
		var wait sync.WaitGroup
		for range 4 {
			wait.Go(func() { all(t, chunker.of(f, 1024), 16) })
		}
		wait.Wait()
		sent := chunker.Stats().Bytes
		took, want := time.Since(began), time.Duration(sent)*time.Second/rate
		if took < want-time.Second || took > want+time.Second {
			t.Errorf("%d bytes took %s, want %s", sent, took, want)
		}
	})
}

func TestPacerEndsWithTheLink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		images := newCounted(t)
		f, _ := images.add(100_000, 0)
		src := NewChunker(images, 32<<20, 1000).of(f, 64<<10)
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
			images := newCounted(b)
			f, _ := images.add(4<<20, 0)
			src := NewChunker(images, 32<<20, 0).of(f, chunk)
			all(b, src, 64)
			benchmarkImage(b, src)
		})
	}
	b.Run("uncached/4KiB", func(b *testing.B) {
		images := newCounted(b)
		f, _ := images.add(4<<20, 0)
		benchmarkImage(b, NewChunker(images, 1, 0).of(f, 4<<10))
	})
}

func benchmarkImage(b *testing.B, src *Source) {
	var dst [][]byte
	var err error
	b.SetBytes(src.Size)
	b.ReportAllocs()
	for b.Loop() {
		for first := uint32(0); first < src.Count; first += uint32(len(dst)) {
			if dst, err = src.Chunks(nil, dst[:0], first, 64); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// fetching is images that come from elsewhere, once there is one on arrived.
type fetching struct {
	Store
	arrived chan struct{}
}

func (f *fetching) Open(ctx context.Context, p fleet.ProductID, digest fleet.Digest) (File, error) {
	select {
	case <-f.arrived:
		return f.Store.Open(ctx, p, digest)
	default:
	}
	select {
	case <-f.arrived:
		return f.Store.Open(ctx, p, digest)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func TestAnImageThatIsBeingFetchedKeepsOnlyThoseWaitingWhoCan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		images := newCounted(t)
		f, data := images.add(1000, 0)
		store := &fetching{Store: images, arrived: make(chan struct{})}
		chunker := NewChunker(store, 32<<20, 0)
		past := make(chan struct{})
		close(past)
		chunks := func(done chan struct{}) error {
			_, err := chunker.of(f, 4096).Chunks(done, nil, 0, 1)
			return err
		}
		if err := chunks(past); err == nil {
			t.Error("got chunks of an image that is not there")
		}
		leaver, stayer, left := make(chan struct{}), make(chan error, 1), make(chan error, 1)
		go func() { left <- chunks(leaver) }() // loads the segment
		synctest.Wait()
		go func() { stayer <- chunks(nil) }() // waits for that
		synctest.Wait()
		if err := chunks(past); err == nil {
			t.Error("got chunks of an image that is not there")
		}
		close(leaver)
		synctest.Wait()
		if err := <-left; err == nil {
			t.Error("got chunks of an image that is not there")
		}
		if chunker.Failing(f.Digest, time.Now()) {
			t.Error("a fetch is taken for a fault")
		}
		close(store.arrived)
		synctest.Wait()
		if err := <-stayer; err != nil {
			t.Errorf("one who waited: %v", err)
		}
		if got := all(t, chunker.of(f, 4096), 1); !bytes.Equal(got, data) {
			t.Errorf("got %d other bytes", len(got))
		}
	})
}

func TestAChangedRateHoldsFromTheNextBatchOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const most = 1_000_000
		p := newPacer(most)
		p.set(0)
		done := make(chan struct{})
		var downloads sync.WaitGroup
		for range 20 {
			downloads.Go(func() {
				for p.wait(done, 10_000) {
				}
			})
		}
		during := func(d time.Duration) int64 {
			synctest.Wait()
			before := p.spent.Load()
			time.Sleep(d) //nolint:forbidigo // in a bubble
			synctest.Wait()
			return p.spent.Load() - before
		}
		if n := during(time.Minute); n != 0 || p.wants() != most {
			t.Errorf("%d bytes went without a rate, and it wants %d", n, p.wants())
		}
		for _, rate := range []int64{100_000, 400_000, 50_000, 0, 200_000} {
			p.set(rate)
			if n, want := during(10*time.Second), 10*rate; n < want-20_000 || n > want+int64(burst(rate)) {
				t.Errorf("at %d bytes per second %d went in 10 s", rate, n)
			}
		}
		close(done)
		downloads.Wait()
		time.Sleep(measured) //nolint:forbidigo // in a bubble
		p.wants()
		time.Sleep(time.Minute) //nolint:forbidigo // in a bubble
		if n := p.wants(); n > most/50 {
			t.Errorf("it wants %d bytes per second for nothing", n)
		}
	})
}
