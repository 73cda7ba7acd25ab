package image

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/store/lockfile"
)

// Directory keeps images as files: {root}/{product}/{sha256 in hex}. A file appears in one
// step, complete and durable, or not at all.
type Directory struct {
	root    string
	records Records
	room    func(bytes int64) error // refuses what would fill the disk

	checks checks

	recording sync.Mutex // held while an image appears with its version, or is removed because none has it
}

// incoming is the pattern of staged files. They lie in the root itself, so that a rename
// moves them to their product.
const incoming = "incoming-*"

// OpenDirectory opens or creates the image directory root and removes what interrupted
// uploads left there. A staged file that another process is writing stays: several servers
// may share a directory. records are whose versions have the images; nil when none are to be
// spared for that reason.
func OpenDirectory(root string, records Records) (*Directory, error) {
	if err := os.MkdirAll(root, 0o700); err != nil {
		return nil, fmt.Errorf("image directory: %w", err)
	}
	left, err := filepath.Glob(filepath.Join(root, incoming))
	if err != nil {
		return nil, fmt.Errorf("image directory: %w", err)
	}
	for _, name := range left {
		if err := removeAbandoned(name); err != nil {
			return nil, fmt.Errorf("image directory: %w", err)
		}
	}
	return &Directory{root: root, records: records, room: func(int64) error { return nil }}, nil
}

// Reserve makes Stage ask room before it writes so many more bytes, and return its error. It must
// be called before the first Stage.
func (d *Directory) Reserve(room func(bytes int64) error) { d.room = room }

// Empty reports whether no product has an image in the directory root.
func Empty(root string) bool {
	images, _ := filepath.Glob(filepath.Join(root, "*", "*")) // fails for a bad pattern only
	return len(images) == 0
}

// removeAbandoned removes a staged file that no process has open.
func removeAbandoned(name string) error {
	file, err := os.OpenFile(name, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) { // committed or discarded in between
		return nil
	}
	if err != nil {
		return err
	}
	defer file.Close()
	if locked, err := lockfile.TryLock(file); err != nil || !locked {
		return err
	}
	return remove(name)
}

// remove removes a file that may be gone already.
func remove(name string) error {
	if err := os.Remove(name); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Commit implements Store. An image with the same bytes is replaced; versions may share one, and
// have no Object.
func (d *Directory) Commit(ctx context.Context, product fleet.ProductID, s *Staged, record func(object string) error) error {
	d.recording.Lock() // or another version with the same bytes could be deleted in between, with the image
	defer d.recording.Unlock()
	name := s.file.Name()
	_ = s.file.Close() // it is synced
	s.file = nil
	if err := d.rename(name, d.path(product, s.Digest)); err != nil {
		return errors.Join(fmt.Errorf("image %s: %w", s.Digest, err), remove(name))
	}
	err := record("")
	if err != nil && !errors.Is(err, fleet.Unavailable) {
		_, errDrop := d.drop(context.WithoutCancel(ctx), product, s.Digest)
		err = errors.Join(err, errDrop)
	}
	return err
}

// rename gives a file its final name, durably.
func (d *Directory) rename(staged, name string) error {
	folder := filepath.Dir(name)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	if err := os.Rename(staged, name); err != nil {
		return err
	}
	if err := syncFolder(folder); err != nil {
		return err
	}
	return syncFolder(d.root)
}

func syncFolder(name string) error {
	folder, err := os.Open(name)
	if err != nil {
		return err
	}
	defer folder.Close()
	return folder.Sync()
}

// Open implements Store. It reads the disk whether ctx has ended or not.
func (d *Directory) Open(ctx context.Context, product fleet.ProductID, digest fleet.Digest) (File, error) {
	path := d.path(product, digest)
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, d.missing(ctx, product, digest)
	}
	if err != nil {
		return nil, fmt.Errorf("image %s: %w", digest, err)
	}
	if err := d.checks.of(path).check(file, digest); err != nil {
		_ = file.Close()
		return nil, err
	}
	return file, nil
}

// missing returns why there is no file of an image.
func (d *Directory) missing(ctx context.Context, product fleet.ProductID, digest fleet.Digest) error {
	versions, _ := d.records.Versions(ctx, product, digest)
	for _, f := range versions {
		if f.Object != "" {
			return fleet.Errorf(fleet.NotFound, "the image %s is not in the data folder but in a bucket, as %s: name the bucket in images.url (--images)", digest, f.Object)
		}
	}
	return fleet.Errorf(fleet.NotFound, "no image %s", digest)
}

// Readable implements Store.
func (d *Directory) Readable(ctx context.Context, product fleet.ProductID, digest fleet.Digest) error {
	file, err := d.Open(ctx, product, digest)
	if err != nil {
		return err
	}
	return file.Close()
}

// Delete implements Store.
func (d *Directory) Delete(ctx context.Context, product fleet.ProductID, digest fleet.Digest, _ string) error {
	d.recording.Lock()
	defer d.recording.Unlock()
	_, err := d.drop(ctx, product, digest)
	return err
}

// drop removes an image unless a version has it. The caller holds d.recording.
func (d *Directory) drop(ctx context.Context, product fleet.ProductID, digest fleet.Digest) (removed bool, err error) {
	versions, err := d.records.Versions(ctx, product, digest)
	if err != nil || len(versions) > 0 {
		return false, err
	}
	path := d.path(product, digest)
	d.checks.forget(path)
	if err := remove(path); err != nil {
		return false, fmt.Errorf("image %s: %w", digest, err)
	}
	return true, nil
}

func (d *Directory) path(product fleet.ProductID, digest fleet.Digest) string {
	return filepath.Join(d.root, product.String(), digest.String())
}
