package image

import (
	"context"
	"errors"
	"io"

	"github.com/muster-iot/muster/fleet"
)

// Store keeps images by digest, each product's apart from the others'. It may be used
// concurrently.
//
// An upload takes two steps, because what is uploaded may be rejected after its bytes were
// read: Stage, and then Commit or Discard.
type Store interface {
	// Stage reads r to its end and keeps it aside; fleet.TooLarge when it is longer than
	// limit bytes, fleet.Invalid when it is empty. Nothing is kept after an error.
	Stage(ctx context.Context, r io.Reader, limit int64) (*Staged, error)
	// Commit makes s, durably, an image of product, and calls record with the Object that a
	// version is to have. An image and its version appear together: no Delete removes the
	// image in between, and after an error of record neither is left, unless the error is
	// fleet.Unavailable, which leaves open whether the version was recorded. After an error s
	// is as good as discarded.
	Commit(ctx context.Context, product fleet.ProductID, s *Staged, record func(object string) error) error
	// Discard removes s; it does nothing after Commit.
	Discard(s *Staged)
	// Open opens an image; fleet.NotFound when there is none, fleet.Unavailable when it can't
	// be had now, or when its bytes are not those of digest, which is checked before any of
	// them is used. It returns ctx's error when it would wait longer than ctx lasts. The
	// caller closes the file.
	Open(ctx context.Context, product fleet.ProductID, digest fleet.Digest) (File, error)
	// Readable returns nil if every server that uses these images can read this one now. Its
	// errors are those of Open.
	Readable(ctx context.Context, product fleet.ProductID, digest fleet.Digest) error
	// Delete removes the image of a version that was deleted, by its Digest and Object, unless
	// another version has it. Removing one that does not exist is not an error.
	Delete(ctx context.Context, product fleet.ProductID, digest fleet.Digest, object string) error
	// Collect removes images that no version has, which a server leaves that is killed during
	// an upload, and returns how many it removed. It spares what is younger than a day: it may
	// belong to an upload that is not recorded yet, or to a record that a restored Redis misses.
	Collect(ctx context.Context) (removed int, err error)
}

// File is an open image.
type File interface {
	io.ReaderAt
	io.ReadCloser
}

// Records returns the catalog of a product, whose versions have the images; fleet.NotFound for a
// product that was deleted.
type Records func(ctx context.Context, product fleet.ProductID) (*fleet.Catalog, error)

// Versions returns the versions of product that have the image with this digest.
func (r Records) Versions(ctx context.Context, product fleet.ProductID, digest fleet.Digest) (versions []fleet.Firmware, err error) {
	if r == nil {
		return nil, nil
	}
	c, err := r(ctx, product)
	if errors.Is(err, fleet.NotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	for _, f := range c.Firmware {
		if f.Digest == digest {
			versions = append(versions, f)
		}
	}
	return versions, nil
}
