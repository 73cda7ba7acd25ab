package metadata

import (
	"encoding/binary"
	"fmt"
	"io"

	"github.com/muster-iot/muster/fleet"
)

// enough is how many bytes at an image's start show its format: the longest line of Intel HEX.
const enough = 522

// Read returns what the image of size bytes in r states about itself, the zero Metadata for
// one in no supported format. Errors: fleet.Invalid for a damaged image and for one in a text
// format that devices can't run; those of r.
func Read(r io.ReaderAt, size int64) (fleet.Metadata, error) {
	i := image{r: r, size: size}
	head, err := i.read(0, int(min(size, enough)))
	if err != nil {
		return fleet.Metadata{}, err
	}
	switch {
	case isESPIDF(head):
		return espIDF(i)
	case isMCUboot(head):
		return mcuboot(i)
	case isUF2(head):
		return uf2(i)
	}
	return fleet.Metadata{}, checkText(head)
}

// image is an image being read.
type image struct {
	r    io.ReaderAt
	size int64 // bytes
}

// read returns n bytes at off.
func (i image) read(off int64, n int) ([]byte, error) {
	if off < 0 || int64(n) > i.size-off {
		return nil, damaged("it ends at byte %d, before its own end", i.size)
	}
	data := make([]byte, n)
	if got, err := i.r.ReadAt(data, off); got < n {
		return nil, fmt.Errorf("image: %w", err)
	}
	return data, nil
}

// copy writes n bytes at off to w.
func (i image) copy(w io.Writer, off, n int64) error {
	if off < 0 || n > i.size-off {
		return damaged("it ends at byte %d, before its own end", i.size)
	}
	if _, err := io.CopyBuffer(struct{ io.Writer }{w}, io.NewSectionReader(i.r, off, n), make([]byte, 32<<10)); err != nil {
		return fmt.Errorf("image: %w", err)
	}
	return nil
}

// damaged returns the error for an image that contradicts itself.
func damaged(format string, args ...any) error {
	return fleet.FieldErrorf("file", "the image is damaged: %s; build it or copy it again", fmt.Sprintf(format, args...))
}

var (
	le16 = binary.LittleEndian.Uint16
	le32 = binary.LittleEndian.Uint32
)
