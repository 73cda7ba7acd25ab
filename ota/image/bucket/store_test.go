package bucket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/ota/image/s3"
)

func TestAnImageUploadedAtOneServerIsReadAtAnother(t *testing.T) {
	w := newWorld(t)
	a, b := w.server(), w.server()
	data := firmware(300_000, 1)
	w.must(w.upload(a, "1", data))
	w.sees(a, data)
	if gets := w.gets.Load(); gets != 0 {
		t.Errorf("the server that has it fetched it %d times", gets)
	}
	for range 3 {
		w.sees(b, data)
	}
	if gets, stats := w.gets.Load(), b.Stats(); gets != 1 || stats.Fetches != 1 || stats.FetchedBytes != 300_000 || stats.CopyBytes != 300_000 {
		t.Errorf("got %d requests and %+v, want one fetch", gets, stats)
	}
	w.must(b.Readable(t.Context(), product, w.version("1").Digest))
	_ = w.blind(b, firmware(300_000, 2), fleet.NotFound)
}

func TestAnImageIsFetchedOnceHoweverManyWaitAndWhoeverLeaves(t *testing.T) {
	w := newWorld(t)
	a, b := w.server(), w.server()
	data := firmware(300_000, 1)
	w.must(w.upload(a, "1", data))
	left, leave := context.WithCancel(t.Context())
	leave()
	if _, err := b.Open(left, product, w.version("1").Digest); !errors.Is(err, context.Canceled) {
		t.Errorf("one that does not wait: got %v", err)
	}
	var wait sync.WaitGroup
	for range 20 {
		wait.Go(func() { w.sees(b, data) })
	}
	wait.Wait()
	if gets := w.gets.Load(); gets != 1 {
		t.Errorf("got %d requests, want 1", gets)
	}
}

// TestDeletingAVersionLeavesTheSameImageOfAnother holds for servers that know nothing of each other.
func TestDeletingAVersionLeavesTheSameImageOfAnother(t *testing.T) {
	w := newWorld(t)
	a, b := w.server(), w.server()
	data := firmware(1000, 1)
	w.must(w.upload(a, "1", data))
	w.must(w.upload(b, "2", data))
	if names := w.objects(a); len(names) != 2 {
		t.Fatalf("got %v, want an object for each version", names)
	}
	w.remove(a, "1")
	w.sees(a, data)
	w.sees(w.server(), data)
	w.remove(b, "2")
	if names := w.objects(a); len(names) != 0 {
		t.Errorf("left in the bucket: %v", names)
	}
}

func TestOfTwoServersThatUploadOneVersionOneWins(t *testing.T) {
	w := newWorld(t)
	a, b := w.server(), w.server()
	results := make(chan error, 2)
	for i, s := range []*Store{a, b} {
		go func() { results <- w.upload(s, "1", firmware(100_000, byte(i))) }()
	}
	first, second := <-results, <-results
	if (first == nil) == (second == nil) || !errors.Is(errors.Join(first, second), fleet.Conflict) {
		t.Fatalf("got %v and %v, want one conflict", first, second)
	}
	if names := w.objects(a); len(names) != 1 || names[0] != w.version("1").Object {
		t.Errorf("got %v, want the object of the winner", names)
	}
	for _, s := range []*Store{a, b} {
		w.must(s.Readable(t.Context(), product, w.version("1").Digest))
	}
}

func TestAnObjectThatIsNotWhatWasUploadedIsNeverUsed(t *testing.T) {
	data := firmware(100_000, 1)
	for _, row := range []struct {
		name  string
		bytes []byte
	}{
		{"truncated", data[:50_000]},
		{"empty", nil},
		{"longer", append(data[:len(data):len(data)], 0)},
		{"one bit flipped", append([]byte{data[0] ^ 1}, data[1:]...)},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := newWorld(t)
			a, folder := w.server(), t.TempDir()
			w.must(w.upload(a, "1", data))
			w.replace("1", row.bytes)
			b := w.serverAt(folder)
			if err := w.blind(b, data, fleet.Unavailable); !strings.Contains(fmt.Sprint(err), "damaged in the bucket") {
				t.Errorf("got %v, want what to do", err)
			}
			if left, _ := filepath.Glob(filepath.Join(folder, "copies", "*")); len(left) != 0 {
				t.Errorf("left %v", left)
			}
			if err := a.Readable(t.Context(), product, w.version("1").Digest); len(row.bytes) != len(data) && err == nil {
				t.Error("the server with a copy calls it readable for all")
			}
			w.replace("1", data) // repaired
			b.forget()
			w.sees(b, data)
		})
	}
}

func TestACopyThatIsDamagedIsFetchedAgain(t *testing.T) {
	w := newWorld(t)
	data, folder := firmware(10_000, 1), t.TempDir()
	s := w.serverAt(folder)
	w.must(w.upload(s, "1", data))
	name := filepath.Join(folder, "copies", product.String(), w.version("1").Digest.String())
	for _, damage := range []func() error{
		func() error { return os.WriteFile(name, data[:5000], 0o600) },
		func() error { return os.Remove(name) },
		func() error { return os.WriteFile(name, firmware(10_000, 2), 0o600) },
	} {
		w.must(damage())
		w.sees(s, data)
	}
}

func TestWhatAKilledServerLeavesIsNeitherServedNorKept(t *testing.T) {
	w := newWorld(t)
	folder := t.TempDir()
	copies := filepath.Join(folder, "copies")
	w.must(os.MkdirAll(copies, 0o700))
	w.must(os.WriteFile(filepath.Join(copies, "incoming-1"), firmware(500, 1), 0o600)) // in the middle of a fetch
	s := w.serverAt(folder)
	if left, _ := filepath.Glob(filepath.Join(copies, "incoming-*")); len(left) != 0 {
		t.Errorf("left %v", left)
	}
	data := firmware(1000, 1) // between the object and the record
	staged, err := s.Stage(t.Context(), strings.NewReader(string(data)), 1<<20)
	w.must(err)
	_, err = s.put(t.Context(), product, staged.Digest, staged, staged.Size)
	w.must(err)
	w.must(w.upload(s, "2", firmware(1000, 2)))
	for _, row := range []struct {
		name    string
		ahead   time.Duration // of the bucket's clock, more than before
		objects int
	}{
		{"young", 0, 2},
		{"a day old", 25 * time.Hour, 2}, // seen for the first time
		{"seen before", 0, 1},
	} {
		w.clock.ahead.Add(int64(row.ahead))
		if _, err := s.Collect(t.Context()); err != nil {
			t.Fatal(err)
		}
		if names := w.objects(s); len(names) != row.objects {
			t.Errorf("%s: got %v, want %d", row.name, names, row.objects)
		}
	}
	w.sees(w.server(), firmware(1000, 2))
}

func TestTheBucketsClockMayBeWrong(t *testing.T) {
	for _, ahead := range []time.Duration{-1000 * time.Hour, 1000 * time.Hour} {
		w := newWorld(t)
		w.clock.ahead.Store(int64(ahead))
		s := w.server()
		staged, err := s.Stage(t.Context(), strings.NewReader("on its way"), 100)
		w.must(err)
		_, err = s.put(t.Context(), product, staged.Digest, staged, staged.Size)
		w.must(err)
		for range 3 {
			if removed, err := s.Collect(t.Context()); err != nil || removed != 0 {
				t.Errorf("%s ahead: removed %d, %v", ahead, removed, err)
			}
		}
	}
}

func TestTheCollectorLeavesOthersObjectsAlone(t *testing.T) {
	w := newWorld(t)
	s := w.server()
	for _, name := range []string{"muster/a/notes.txt", "muster/a/1/readme", "muster/b/1/" + strings.Repeat("00", 32) + "-x", "other"} {
		_, err := w.backend.PutObject("images", name, map[string]string{}, strings.NewReader("x"), 1, nil)
		w.must(err)
	}
	w.must(s.Claim(t.Context()))
	w.clock.ahead.Store(int64(48 * time.Hour))
	for range 3 {
		if removed, err := s.Collect(t.Context()); err != nil || removed != 0 {
			t.Errorf("removed %d, %v", removed, err)
		}
	}
}

func TestABucketIsOneInstallations(t *testing.T) {
	w := newWorld(t)
	w.must(w.server().Start(t.Context()))
	w.must(w.server().Start(t.Context()))
	other := w.server(func(c *Config) { c.Owner = "store-2" })
	if err := other.Start(t.Context()); err == nil || !strings.Contains(err.Error(), "another bucket or prefix") {
		t.Errorf("got %v, want a conflict", err)
	}
	if err := w.upload(other, "1", firmware(10, 1)); !errors.Is(err, fleet.Unavailable) || errors.Is(err, fleet.Conflict) {
		t.Errorf("upload: got %v", err)
	}
	if _, err := other.Collect(t.Context()); !errors.Is(err, fleet.Conflict) {
		t.Errorf("collect: got %v", err)
	}
}

func TestABucketThatIsAwayCostsOnlyWhatIsNotCopied(t *testing.T) {
	w := newWorld(t)
	a, b := w.server(), w.server()
	copied, missing := firmware(1000, 1), firmware(1000, 2)
	w.must(w.upload(a, "1", copied))
	w.must(w.upload(a, "2", missing))
	w.sees(b, copied)
	back := w.away(unwell)
	w.sees(b, copied)
	err := w.blind(b, missing, fleet.Unavailable)
	if !errors.Is(err, s3.ErrAway) {
		t.Errorf("got %v", err)
	}
	if err := w.upload(b, "3", firmware(10, 3)); !errors.Is(err, fleet.Unavailable) || w.version("3").Size != 0 {
		t.Errorf("upload: got %v, recorded: %+v", err, w.version("3"))
	}
	if err := b.Readable(t.Context(), product, w.version("1").Digest); !errors.Is(err, fleet.Unavailable) {
		t.Errorf("release: got %v", err)
	}
	w.remove(b, "1") // nothing keeps a version from being deleted
	if err := w.server().Start(t.Context()); err != nil {
		t.Errorf("start: %v", err)
	}
	back()
	b.forget()
	w.sees(b, missing)
}

func TestAConnectionThatBreaksOffLeavesNoPartOfAnImage(t *testing.T) {
	w := newWorld(t)
	a, folder := w.server(), t.TempDir()
	data := firmware(200_000, 1)
	w.must(w.upload(a, "1", data))
	b := w.serverAt(folder)
	back := w.away(func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Length", fmt.Sprint(len(data)))
		rw.Header().Set("Last-Modified", time.Now().UTC().Format(http.TimeFormat))
		_, _ = rw.Write(data[:100_000])
		panic(http.ErrAbortHandler)
	})
	_ = w.blind(b, data, fleet.Unavailable)
	if left, _ := filepath.Glob(filepath.Join(folder, "copies", "*")); len(left) != 0 {
		t.Errorf("left %v", left)
	}
	back()
	b.forget()
	w.sees(b, data)
}

func TestCopiesKeepToTheirBudgetAndDropWhatWasUsedLongestAgo(t *testing.T) {
	w := newWorld(t)
	folder := t.TempDir()
	small := func(c *Config) { c.Cache = 3000 }
	a, b := w.server(), w.serverAt(folder, small)
	var images [][]byte
	for i := range byte(4) {
		images = append(images, firmware(1000, i))
		w.must(w.upload(a, fmt.Sprint(i+1), images[i]))
	}
	for _, i := range []int{0, 1, 2, 0, 3} { // 1 goes
		w.sees(b, images[i])
		if held := b.Stats().CopyBytes; held > 3000 {
			t.Errorf("got %d bytes, want at most 3000", held)
		}
	}
	gets := w.gets.Load()
	for _, i := range []int{0, 2, 3} {
		w.sees(b, images[i])
	}
	if w.gets.Load() != gets {
		t.Error("a copy that was used last was dropped")
	}
	w.sees(b, images[1])
	if w.gets.Load() != gets+1 {
		t.Error("the copy that was used longest ago was kept")
	}
	b.Close()
	again := w.serverAt(folder, func(c *Config) { c.Cache = 2000 })
	if held := again.Stats().CopyBytes; held > 2000 || held == 0 {
		t.Errorf("after a restart with a smaller budget: %d bytes", held)
	}
	tiny := w.server(func(c *Config) { c.Cache = 1 })
	w.sees(tiny, images[0]) // one that is larger than the budget is served all the same
	w.sees(tiny, images[1])
	if held := tiny.Stats().CopyBytes; held != 1000 {
		t.Errorf("got %d bytes, want the last one only", held)
	}
}

func TestADiskThatIsAlmostFullLosesCopiesFirst(t *testing.T) {
	w := newWorld(t)
	a := w.server()
	one, two := firmware(1000, 1), firmware(1000, 2)
	w.must(w.upload(a, "1", one))
	w.must(w.upload(a, "2", two))
	var b *Store
	full := false
	b = w.server(func(c *Config) {
		c.Room = func(int64) error {
			if full || b != nil && b.copies.size() >= 1000 {
				return fleet.Errorf(fleet.NoSpace, "almost full")
			}
			return nil
		}
	})
	w.sees(b, one)
	w.sees(b, two)
	w.must(w.upload(b, "3", firmware(1000, 3)))
	w.sees(b, one)
	full = true
	_ = w.blind(b, two, fleet.NoSpace)
}

func TestImagesOfTheDataFolderAreCopiedToTheBucket(t *testing.T) {
	w := newWorld(t)
	folder := t.TempDir()
	a := w.serverAt(folder)
	data := firmware(5000, 1)
	staged, err := a.kept.Stage(t.Context(), strings.NewReader(string(data)), 1<<20)
	w.must(err)
	w.must(a.kept.Commit(t.Context(), product, staged, func(object string) error {
		_, err := w.edit(t.Context(), product, func(c *fleet.Catalog) error {
			for _, version := range []string{"1", "2"} {
				v := fleet.ReportedVersion(version)
				c.Firmware[v.Key()] = fleet.Firmware{Product: product, Version: v, Size: staged.Size, Digest: staged.Digest, Object: object}
			}
			return nil
		})
		return err
	}))
	b := w.server()
	w.sees(a, data) // at once
	if err := w.blind(b, data, fleet.NotFound); !strings.Contains(fmt.Sprint(err), "copies it to the bucket") {
		t.Errorf("got %v, want what to do", err)
	}
	if err := a.Readable(t.Context(), product, staged.Digest); !errors.Is(err, fleet.Unavailable) {
		t.Errorf("got %v before it is in the bucket", err)
	}
	for range 2 {
		w.must(a.copyKept(t.Context()))
	}
	if names := w.objects(a); len(names) != 2 || w.version("1").Object == w.version("2").Object {
		t.Errorf("got %v, want an object for each version", names)
	}
	b.forget()
	w.sees(b, data)
	w.remove(b, "1")
	w.sees(w.server(), data)
	w.must(a.Readable(t.Context(), product, staged.Digest))
}

func TestAnUploadThatIsGivenUpLeavesNothing(t *testing.T) {
	w := newWorld(t)
	folder := t.TempDir()
	s := w.serverAt(folder)
	w.must(s.Claim(t.Context()))
	staged, err := s.Stage(t.Context(), strings.NewReader("image"), 100)
	w.must(err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Commit(ctx, product, staged, func(string) error { t.Error("recorded"); return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(folder, "copies", "*")); len(left) != 0 {
		t.Errorf("left %v", left)
	}
	if _, err := s.Stage(t.Context(), io.LimitReader(zeros{}, 101), 100); !errors.Is(err, fleet.TooLarge) {
		t.Errorf("got %v", err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }
