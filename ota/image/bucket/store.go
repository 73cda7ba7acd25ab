package bucket

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/ota/image"
	"github.com/muster-iot/muster/ota/image/s3"
)

// Config is what a Store works with.
type Config struct {
	Objects *s3.Bucket
	Owner   string // which installation the objects belong to: the id of its store

	Copies string                  // folder of the copies, of this server alone
	Cache  int64                   // bytes of copies
	Room   func(bytes int64) error // refuses what would fill the disk

	Kept    *image.Directory // images that were uploaded before there was a bucket
	Records image.Records
	// Edit changes a product's catalog, as store.Catalogs.EditCatalog.
	Edit func(ctx context.Context, product fleet.ProductID, change func(*fleet.Catalog) error) (*fleet.Catalog, error)

	Log *slog.Logger
}

// Store keeps each version's image as an object of its own, {product}/{sha256 in hex}-{nonce},
// whose name is in the version's record: deleting one never removes another, whichever server
// uploads the same bytes at the time. It implements image.Store.
//
// Images are read from copies on disk. A copy is written aside, verified and synced before it
// appears; it is verified again when it is first opened.
type Store struct {
	config Config
	kept   *image.Directory
	copies *copies

	base   context.Context // of fetches
	cancel context.CancelFunc
	tasks  sync.WaitGroup
	slots  chan struct{} // as many as may be fetched at a time

	mu      sync.Mutex
	fetches map[key]*fetch // under way, and failed ones; guarded by mu

	fetched, bytes atomic.Uint64
	trouble        atomic.Pointer[error] // why the bucket can't be used; nil: it can
	claimed        atomic.Bool           // the objects are known to be the owner's
	orphans        map[string]bool       // objects without a version at the last Collect, which alone uses it
}

// Open opens the copies. Close must be called. It sends nothing to the bucket yet: Claim does.
func Open(c Config) (*Store, error) {
	copies, err := openCopies(c.Copies, c.Cache, c.Room, c.Log)
	if err != nil {
		return nil, err
	}
	base, cancel := context.WithCancel(context.Background())
	return &Store{
		config: c, kept: c.Kept, copies: copies, base: base, cancel: cancel,
		slots: make(chan struct{}, maxFetches), fetches: make(map[key]*fetch),
	}, nil
}

// Close ends fetches that are under way, and the connections to the bucket.
func (s *Store) Close() {
	s.mu.Lock() // a fetch begins before this, or not at all
	s.cancel()
	s.mu.Unlock()
	s.tasks.Wait()
	s.config.Objects.Close()
}

// Stage implements image.Store.
func (s *Store) Stage(ctx context.Context, r io.Reader, limit int64) (*image.Staged, error) {
	return s.copies.dir.Stage(ctx, r, limit)
}

// Discard implements image.Store.
func (s *Store) Discard(staged *image.Staged) { s.copies.dir.Discard(staged) }

// Commit implements image.Store. What a server leaves that is killed here is collected later.
func (s *Store) Commit(ctx context.Context, product fleet.ProductID, staged *image.Staged, record func(object string) error) error {
	object, err := s.put(ctx, product, staged.Digest, staged, staged.Size)
	if err == nil {
		err = s.record(ctx, object, record)
	}
	if err != nil {
		s.Discard(staged)
		return err
	}
	if err := s.copies.add(ctx, product, staged); err != nil {
		s.config.Log.Warn("an uploaded image has no copy on disk: it is fetched when a device needs it", "image", staged.Digest.String(), "err", err)
	}
	return nil
}

// put writes an image as a new object.
func (s *Store) put(ctx context.Context, product fleet.ProductID, digest fleet.Digest, body io.ReaderAt, size int64) (object string, err error) {
	if err := s.Claim(ctx); errors.Is(err, fleet.Conflict) {
		return "", fleet.Errorf(fleet.Unavailable, s3.Unusable) // which is not a conflict of versions
	} else if err != nil {
		return "", err
	}
	object = fmt.Sprintf("%s/%s-%s", product, digest, rand.Text())
	return object, s.config.Objects.Put(ctx, object, body, size, digest, false)
}

// record has a version name an object, which is removed again if that fails, unless it may have
// been recorded.
func (s *Store) record(ctx context.Context, object string, record func(object string) error) error {
	err := record(object)
	if err == nil || errors.Is(err, fleet.Unavailable) {
		return err
	}
	s.remove(ctx, object)
	return err
}

// remove removes an object, now or, if the bucket can't be used, at a later Collect.
func (s *Store) remove(ctx context.Context, object string) {
	if err := s.config.Objects.Delete(context.WithoutCancel(ctx), object); err != nil {
		s.config.Log.Warn("an object could not be removed from the bucket: it is collected later", "object", object, "err", s3.Detail(err))
	}
}

// Readable implements image.Store: the image has an object of the right size, and this server has
// read and verified it.
func (s *Store) Readable(ctx context.Context, product fleet.ProductID, digest fleet.Digest) error {
	file, err := s.Open(ctx, product, digest)
	if err != nil {
		return err
	}
	_ = file.Close()
	versions, err := s.config.Records.Versions(ctx, product, digest)
	if err != nil {
		return err
	}
	err = fleet.Errorf(fleet.Unavailable, "it is not in the bucket yet; this server copies it there: try again later")
	for _, f := range versions {
		if f.Object == "" {
			continue
		}
		var object s3.Object
		if object, err = s.config.Objects.Stat(ctx, f.Object); err == nil && object.Size == f.Size {
			return nil
		}
		if err == nil {
			err = fleet.Errorf(fleet.Unavailable, "the object %s has %d bytes instead of %d: restore it, or upload the image again as another version", f.Object, object.Size, f.Size)
		}
	}
	return err
}

// Delete implements image.Store. If the bucket can't be used, the object is collected later.
func (s *Store) Delete(ctx context.Context, product fleet.ProductID, digest fleet.Digest, object string) error {
	s.copies.drop(key{product, digest}) // another version's is fetched again
	if object == "" {
		return s.kept.Delete(ctx, product, digest, "")
	}
	s.remove(ctx, object)
	return nil
}

// Stats are counts since the start; CopyBytes are held now.
type Stats struct {
	Fetches, FetchedBytes uint64
	CopyBytes             int64
}

// Stats returns the counts of this moment.
func (s *Store) Stats() Stats {
	return Stats{Fetches: s.fetched.Load(), FetchedBytes: s.bytes.Load(), CopyBytes: s.copies.size()}
}
