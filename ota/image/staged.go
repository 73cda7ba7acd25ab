package image

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/store/lockfile"
)

// Staged is an image that was read to its end and does not belong to a product yet.
type Staged struct {
	Digest fleet.Digest
	Size   int64 // bytes

	file *os.File // locked while it is open; nil after Commit or Discard
}

// ReadAt reads the image; it implements io.ReaderAt until Commit or Discard.
func (s *Staged) ReadAt(p []byte, off int64) (int, error) { return s.file.ReadAt(p, off) }

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
	size, err := io.Copy(io.MultiWriter(s.file, hash), io.LimitReader(during(ctx, r), limit+1))
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

// Discard implements Store.
func (*Directory) Discard(s *Staged) {
	if s.file == nil {
		return
	}
	_ = os.Remove(s.file.Name()) // what can't be removed goes at the next start
	_ = s.file.Close()
	s.file = nil
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

// during reads r until ctx ends.
func during(ctx context.Context, r io.Reader) io.Reader {
	return readerFunc(func(p []byte) (int, error) {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		return r.Read(p)
	})
}
