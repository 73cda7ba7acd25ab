package bucket

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/ota/image"
	"github.com/muster-iot/muster/ota/image/s3"
)

const product fleet.ProductID = 1

// world is a bucket, a catalog, and servers that share both.
type world struct {
	t       testing.TB
	backend gofakes3.Backend
	clock   *clock
	url     string
	front   atomic.Pointer[http.HandlerFunc] // answers in the bucket's place; nil: nothing does
	gets    atomic.Int32                     // of images

	mu      sync.Mutex
	catalog fleet.Catalog // guarded by mu
}

// clock is the bucket's.
type clock struct{ ahead atomic.Int64 }

func (c *clock) Now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }

func (c *clock) Since(t time.Time) time.Duration { return c.Now().Sub(t) }

func newWorld(t testing.TB) *world {
	t.Helper()
	for _, name := range []string{"AWS_REGION", "AWS_DEFAULT_REGION", "AWS_SESSION_TOKEN"} {
		t.Setenv(name, "")
	}
	t.Setenv("AWS_ACCESS_KEY_ID", "key")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	w := &world{t: t, clock: &clock{}, catalog: fleet.Catalog{Firmware: make(map[string]fleet.Firmware)}}
	w.backend = s3mem.New(s3mem.WithTimeSource(w.clock))
	if err := w.backend.CreateBucket("images"); err != nil {
		t.Fatal(err)
	}
	fake := gofakes3.New(w.backend, gofakes3.WithTimeSource(w.clock), gofakes3.WithTimeSkewLimit(0)).Server()
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if front := w.front.Load(); front != nil {
			(*front)(rw, r)
			return
		}
		if r.Method == http.MethodGet && filepath.Base(r.URL.Path) != owner && r.URL.RawQuery == "" {
			w.gets.Add(1)
		}
		fake.ServeHTTP(rw, r)
	}))
	t.Cleanup(server.Close)
	w.url = server.URL
	return w
}

// away has the bucket answer like that, until the returned function is called.
func (w *world) away(answer http.HandlerFunc) (back func()) {
	w.front.Store(&answer)
	return func() { w.front.Store(nil) }
}

func unwell(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusServiceUnavailable) }

// server opens a server's Store, with its own data folder.
func (w *world) server(change ...func(*Config)) *Store {
	w.t.Helper()
	return w.serverAt(w.t.TempDir(), change...)
}

func (w *world) serverAt(data string, change ...func(*Config)) *Store {
	w.t.Helper()
	objects, err := s3.Open(s3.Options{Bucket: "images", Prefix: "muster/a", Endpoint: w.url})
	w.must(err)
	kept, err := image.OpenDirectory(filepath.Join(data, "images"), w.records)
	w.must(err)
	c := Config{
		Objects: objects, Owner: "store-1", Copies: filepath.Join(data, "copies"), Cache: 10 << 20, Room: func(int64) error { return nil },
		Kept: kept, Records: w.records, Edit: w.edit, Log: slog.New(slog.DiscardHandler),
	}
	for _, f := range change {
		f(&c)
	}
	s, err := Open(c)
	w.must(err)
	w.t.Cleanup(s.Close)
	return s
}

func (w *world) must(err error) {
	if err != nil {
		w.t.Helper()
		w.t.Fatal(err)
	}
}

func (w *world) records(context.Context, fleet.ProductID) (*fleet.Catalog, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	c := fleet.Catalog{Firmware: make(map[string]fleet.Firmware)}
	for k, f := range w.catalog.Firmware {
		c.Firmware[k] = f
	}
	return &c, nil
}

func (w *world) edit(_ context.Context, _ fleet.ProductID, change func(*fleet.Catalog) error) (*fleet.Catalog, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return &w.catalog, change(&w.catalog)
}

// upload uploads data as a version over a server.
func (w *world) upload(s *Store, version string, data []byte) error {
	w.t.Helper()
	staged, err := s.Stage(w.t.Context(), bytes.NewReader(data), 64<<20)
	w.must(err)
	f := fleet.Firmware{Product: product, Version: fleet.ReportedVersion(version), Size: staged.Size, Digest: staged.Digest}
	return s.Commit(w.t.Context(), product, staged, func(object string) error {
		_, err := w.edit(w.t.Context(), product, func(c *fleet.Catalog) error {
			if _, there := c.Find(f.Version); there {
				return fleet.Errorf(fleet.Conflict, "version %s is uploaded already", f.Version)
			}
			f.Object = object
			c.Firmware[f.Version.Key()] = f
			return nil
		})
		return err
	})
}

// remove deletes a version over a server.
func (w *world) remove(s *Store, version string) {
	w.t.Helper()
	f := w.version(version)
	_, err := w.edit(w.t.Context(), product, func(c *fleet.Catalog) error {
		delete(c.Firmware, f.Version.Key())
		return nil
	})
	w.must(err)
	w.must(s.Delete(w.t.Context(), product, f.Digest, f.Object))
}

func (w *world) version(version string) fleet.Firmware {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.catalog.Firmware[fleet.ReportedVersion(version).Key()]
}

// objects are the names of the images in the bucket.
func (w *world) objects(s *Store) (names []string) {
	w.t.Helper()
	w.must(s.config.Objects.List(w.t.Context(), func(o s3.Object) error {
		if o.Name != owner {
			names = append(names, o.Name)
		}
		return nil
	}))
	return names
}

// replace writes other bytes to a version's object.
func (w *world) replace(version string, data []byte) {
	w.t.Helper()
	_, err := w.backend.PutObject("images", "muster/a/"+w.version(version).Object, map[string]string{}, bytes.NewReader(data), int64(len(data)), nil)
	w.must(err)
}

// read returns the bytes of an image as a server reads it.
func read(ctx context.Context, s *Store, digest fleet.Digest) ([]byte, error) {
	file, err := s.Open(ctx, product, digest)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(file)
}

// sees checks that a server reads these bytes.
func (w *world) sees(s *Store, data []byte) {
	w.t.Helper()
	if got, err := read(w.t.Context(), s, sha256.Sum256(data)); err != nil || !bytes.Equal(got, data) {
		w.t.Errorf("got %d bytes, %v, want %d", len(got), err, len(data))
	}
}

// blind checks that a server gets an error of that kind in place of these bytes.
func (w *world) blind(s *Store, data []byte, kind fleet.Kind) error {
	w.t.Helper()
	got, err := read(w.t.Context(), s, sha256.Sum256(data))
	if !errors.Is(err, kind) {
		w.t.Errorf("got %d bytes, %v, want an error of kind %q", len(got), err, kind)
	}
	return err
}

// forget ends the pause after a failed fetch.
func (s *Store) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.fetches)
}

// firmware is an image of size bytes; another seed makes other bytes.
func firmware(size int, seed byte) []byte {
	data := make([]byte, size)
	for i := range data {
		data[i] = byte(i*7+i>>8) + seed
	}
	return data
}
