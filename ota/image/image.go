package image

import (
	"context"
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
	// Commit makes s, durably, an image of product. An image with the same bytes is
	// replaced. After an error s is as good as discarded.
	Commit(product fleet.ProductID, s *Staged) error
	// Discard removes s; it does nothing after Commit.
	Discard(s *Staged)
	// Open opens an image; fleet.NotFound when there is none, fleet.Unavailable when its bytes
	// are not those of digest, which is checked before any of them is used. The caller closes it.
	Open(product fleet.ProductID, digest fleet.Digest) (File, error)
	// Delete removes an image; removing one that does not exist is no error.
	Delete(product fleet.ProductID, digest fleet.Digest) error
}

// File is an open image.
type File interface {
	io.ReaderAt
	io.ReadCloser
}
