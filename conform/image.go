package conform

import (
	"crypto/rand"
	"crypto/sha256"
	"fmt"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

// image is firmware as the bench offers it.
type image struct {
	version fleet.Version
	data    []byte
	digest  fleet.Digest
}

// newImage wraps data as the firmware of version v.
func newImage(v fleet.Version, data []byte) image {
	return image{version: v, data: data, digest: sha256.Sum256(data)}
}

// randomImage is size bytes that no other image shares.
func randomImage(v fleet.Version, size int) image {
	data := make([]byte, size)
	_, _ = rand.Read(data) // never fails
	return newImage(v, data)
}

// chunk is chunk i in units of size bytes, encoded.
func (m image) chunk(i, size uint32) []byte {
	at := int(i) * int(size)
	return wire.AppendChunk(nil, wire.Chunk{Image: m.digest.Image(), Index: i, Data: m.data[at:min(at+int(size), len(m.data))]})
}

func (m image) count(size uint32) uint32 { return wire.ChunkCount(int64(len(m.data)), size) }

// toStore is an image for a case that ends with the device running it: the operator's own,
// where there is one, else one of about so many chunks.
func (t *trial) toStore(chunks int) image {
	if t.config.Image != nil {
		v := t.config.Version
		if v.IsZero() {
			v = t.nextVersion()
		}
		return newImage(v, t.config.Image)
	}
	return t.toAbandon(chunks)
}

// sized is an image of exactly so many bytes for a case that ends with the device running it.
func (t *trial) sized(bytes int) image {
	if t.config.Image != nil {
		t.skipf("the case needs an image of %d bytes; it runs without --image only", bytes)
	}
	return randomImage(t.nextVersion(), bytes)
}

// toAbandon is an image that the device never gets to the end of.
func (t *trial) toAbandon(chunks int) image {
	size := chunks*int(t.chunkSize()) - int(t.chunkSize())/3
	if t.hello.MaxImage > 0 && uint64(size) > t.hello.MaxImage {
		t.skipf("the device takes %d bytes only, this case needs %d", t.hello.MaxImage, size)
	}
	return randomImage(t.nextVersion(), size)
}

func (t *trial) nextVersion() fleet.Version {
	if n, ok := t.hello.Version.Whole(); ok {
		return parsed(fmt.Sprint(n + 1))
	}
	return parsed("9999")
}

func parsed(text string) fleet.Version {
	v, err := fleet.ParseVersion(text)
	if err != nil {
		panic(err) // a version of our own
	}
	return v
}
