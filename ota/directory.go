package ota

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/muster-iot/muster/fleet"
)

// Directory keeps images as files: {root}/{product}/{sha256 in hex}. A file appears in one
// step, complete and durable, or not at all.
type Directory struct{ root string }

const temporary = "incoming-*" // uploads under way; what is left of them is removed at start

// OpenDirectory opens or creates the image directory root and removes what interrupted
// uploads left in it.
func OpenDirectory(root string) (*Directory, error) {
	if err := os.MkdirAll(root, 0o700); err != nil {
		return nil, fmt.Errorf("image directory: %w", err)
	}
	left, err := filepath.Glob(filepath.Join(root, temporary))
	if err != nil {
		return nil, fmt.Errorf("image directory: %w", err)
	}
	for _, name := range left {
		if err := os.Remove(name); err != nil {
			return nil, fmt.Errorf("image directory: %w", err)
		}
	}
	return &Directory{root: root}, nil
}

// Put implements Images.
func (d *Directory) Put(ctx context.Context, product fleet.ProductID, r io.Reader, limit int64) (fleet.Digest, int64, error) {
	file, err := os.CreateTemp(d.root, temporary)
	if err != nil {
		return fleet.Digest{}, 0, fmt.Errorf("new image: %w", err)
	}
	defer os.Remove(file.Name()) // gone already when all went well
	defer file.Close()
	hash := sha256.New()
	size, err := io.Copy(io.MultiWriter(file, hash), io.LimitReader(until(ctx, r), limit+1))
	switch {
	case err != nil:
		return fleet.Digest{}, 0, fmt.Errorf("new image: %w", err)
	case size > limit:
		return fleet.Digest{}, 0, fleet.Errorf(fleet.TooLarge, "the image has more than %d bytes, the limit", limit)
	case size == 0:
		return fleet.Digest{}, 0, fleet.FieldErrorf("binary", "the image is empty")
	}
	digest := fleet.Digest(hash.Sum(nil))
	if err := d.keep(file, d.path(product, digest)); err != nil {
		return fleet.Digest{}, 0, fmt.Errorf("image %s: %w", digest, err)
	}
	return digest, size, nil
}

// keep makes file durable under its final name.
func (d *Directory) keep(file *os.File, name string) error {
	if err := file.Sync(); err != nil {
		return err
	}
	if err := file.Close(); err != nil {
		return err
	}
	folder := filepath.Dir(name)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	if err := os.Rename(file.Name(), name); err != nil {
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

// Open implements Images.
func (d *Directory) Open(product fleet.ProductID, digest fleet.Digest) (Image, error) {
	file, err := os.Open(d.path(product, digest))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fleet.Errorf(fleet.NotFound, "no image %s", digest)
	}
	if err != nil {
		return nil, fmt.Errorf("image %s: %w", digest, err)
	}
	return file, nil
}

// Delete implements Images.
func (d *Directory) Delete(product fleet.ProductID, digest fleet.Digest) error {
	err := os.Remove(d.path(product, digest))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("image %s: %w", digest, err)
	}
	return nil
}

func (d *Directory) path(product fleet.ProductID, digest fleet.Digest) string {
	return filepath.Join(d.root, product.String(), digest.String())
}

// reading is an io.Reader made of a function.
type reading func([]byte) (int, error)

func (read reading) Read(p []byte) (int, error) { return read(p) }

// until reads r as long as ctx lives.
func until(ctx context.Context, r io.Reader) io.Reader {
	return reading(func(p []byte) (int, error) {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		return r.Read(p)
	})
}
