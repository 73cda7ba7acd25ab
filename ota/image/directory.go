package image

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/store/lockfile"
)

// Directory keeps images as files: {root}/{product}/{sha256 in hex}. A file appears in one
// step, complete and durable, or not at all.
type Directory struct {
	root string
	room func(bytes int64) error // refuses what would fill the disk

	checks checks
}

// Staged is an image that was read to its end and does not belong to a product yet.
type Staged struct {
	Digest fleet.Digest
	Size   int64 // bytes

	file *os.File // locked while it is open; nil after Commit or Discard
}

// ReadAt reads the image; it implements io.ReaderAt until Commit or Discard.
func (s *Staged) ReadAt(p []byte, off int64) (int, error) { return s.file.ReadAt(p, off) }

// incoming is the pattern of staged files. They lie in the root itself, so that a rename
// moves them to their product.
const incoming = "incoming-*"

// OpenDirectory opens or creates the image directory root and removes what interrupted
// uploads left there. A staged file that another process is writing stays: several servers
// may share a directory.
func OpenDirectory(root string) (*Directory, error) {
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
	return &Directory{root: root, room: func(int64) error { return nil }}, nil
}

// Reserve makes Stage ask room before it writes so many more bytes, and return its error. It must
// be called before the first Stage.
func (d *Directory) Reserve(room func(bytes int64) error) { d.room = room }

// Empty reports whether no product has an image.
func (d *Directory) Empty() bool {
	images, _ := filepath.Glob(filepath.Join(d.root, "*", "*")) // fails for a bad pattern only
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

// Stage implements Store.
func (d *Directory) Stage(ctx context.Context, r io.Reader, limit int64) (*Staged, error) {
	file, err := os.CreateTemp(d.root, incoming)
	if err != nil {
		return nil, fmt.Errorf("new image: %w", err)
	}
	s := &Staged{file: file}
	if err := s.fill(ctx, d.within(r), limit); err != nil {
		d.Discard(s)
		if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG) {
			err = &fleet.Error{Kind: fleet.NoSpace, Text: "the disk of the server is full: delete firmware that is no longer needed, or give it more room", Cause: err}
		}
		return nil, err
	}
	return s, nil
}

// fill copies r to the file.
func (s *Staged) fill(ctx context.Context, r io.Reader, limit int64) error {
	if _, err := lockfile.TryLock(s.file); err != nil {
		return fmt.Errorf("new image: %w", err)
	}
	hash := sha256.New()
	size, err := io.Copy(io.MultiWriter(s.file, hash), io.LimitReader(until(ctx, r), limit+1))
	switch {
	case err != nil:
		return fmt.Errorf("new image: %w", err)
	case size > limit:
		return fleet.Errorf(fleet.TooLarge, "the image has more than %d bytes, the limit", limit)
	case size == 0:
		return fleet.FieldErrorf("binary", "the image is empty")
	}
	if err := s.file.Sync(); err != nil {
		return fmt.Errorf("new image: %w", err)
	}
	s.Digest, s.Size = fleet.Digest(hash.Sum(nil)), size
	return nil
}

// Commit implements Store.
func (d *Directory) Commit(product fleet.ProductID, s *Staged) error {
	name := s.file.Name()
	_ = s.file.Close() // it is synced
	s.file = nil
	if err := d.rename(name, d.path(product, s.Digest)); err != nil {
		return errors.Join(fmt.Errorf("image %s: %w", s.Digest, err), remove(name))
	}
	return nil
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

// Discard implements Store.
func (*Directory) Discard(s *Staged) {
	if s.file == nil {
		return
	}
	_ = os.Remove(s.file.Name()) // what can't be removed goes at the next start
	_ = s.file.Close()
	s.file = nil
}

// Open implements Store.
func (d *Directory) Open(product fleet.ProductID, digest fleet.Digest) (File, error) {
	path := d.path(product, digest)
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fleet.Errorf(fleet.NotFound, "no image %s", digest)
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

// Delete implements Store.
func (d *Directory) Delete(product fleet.ProductID, digest fleet.Digest) error {
	path := d.path(product, digest)
	d.checks.forget(path)
	if err := remove(path); err != nil {
		return fmt.Errorf("image %s: %w", digest, err)
	}
	return nil
}

func (d *Directory) path(product fleet.ProductID, digest fleet.Digest) string {
	return filepath.Join(d.root, product.String(), digest.String())
}

// roomStep is how many bytes are written between two looks at the room.
const roomStep = 1 << 20

// within reads r while there is room for what it reads.
func (d *Directory) within(r io.Reader) io.Reader {
	left := 0
	return readerFunc(func(p []byte) (int, error) {
		if left <= 0 {
			if err := d.room(roomStep); err != nil {
				return 0, err
			}
			left = roomStep
		}
		n, err := r.Read(p)
		left -= n
		return n, err
	})
}

// readerFunc is an io.Reader made of a function.
type readerFunc func([]byte) (int, error)

func (read readerFunc) Read(p []byte) (int, error) { return read(p) }

// until reads r until ctx ends.
func until(ctx context.Context, r io.Reader) io.Reader {
	return readerFunc(func(p []byte) (int, error) {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		return r.Read(p)
	})
}
