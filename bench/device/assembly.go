package device

import (
	"crypto/sha256"
	"fmt"
	"hash"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

// Assembly is an image on its way into a device: what both servers' receivers do with
// what they get, chunk by chunk, in order.
type Assembly struct {
	digest fleet.Digest
	count  uint32 // chunks of the whole image
	next   uint32 // first missing chunk
	bytes  int64
	sum    hash.Hash
}

// NewAssembly returns an empty assembly of an image in so many chunks.
func NewAssembly(digest fleet.Digest, count uint32) *Assembly {
	return &Assembly{digest: digest, count: count, sum: sha256.New()}
}

// Take decodes one chunk and hashes its data. Chunks the device has already are
// repeated: an error, since nothing was lost here.
func (a *Assembly) Take(payload []byte) error {
	c, err := wire.ParseChunk(payload)
	if err != nil {
		return err
	}
	if c.Image != a.digest.Image() || c.Index != a.next {
		return fmt.Errorf("chunk %d of image %s; expected chunk %d of %s", c.Index, c.Image, a.next, a.digest.Image())
	}
	_, _ = a.sum.Write(c.Data) // a hash never fails
	a.bytes += int64(len(c.Data))
	a.next++
	return nil
}

// Complete reports whether all chunks are there.
func (a *Assembly) Complete() bool { return a.next == a.count }

// Verify compares what came with what was announced.
func (a *Assembly) Verify() error {
	if got := fleet.Digest(a.sum.Sum(nil)); !a.Complete() || got != a.digest {
		return fmt.Errorf("%d of %d chunks with SHA-256 %s, expected %s", a.next, a.count, got, a.digest)
	}
	return nil
}
