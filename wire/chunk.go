package wire

import (
	"encoding/binary"

	"github.com/muster-iot/muster/fleet"
)

// Chunk is one piece of an image (docs/protocol.md#chunk).
type Chunk struct {
	Image fleet.Image
	Index uint32
	Data  []byte
}

// MaxChunkOverhead is how many bytes more than its data an encoded chunk takes at most.
const MaxChunkOverhead = 1 + 1 + 1 + 8 + 1 + 5 + 1 + 5

type chunkRecord struct {
	Image octets  `cbor:"0,keyasint"`
	Index *uint32 `cbor:"1,keyasint"`
	Data  octets  `cbor:"2,keyasint"`
}

// chunkHead is a3 00 48: a map of three, key 0, a byte string of eight.
var chunkHead = [3]byte{0xa3, 0x00, 0x48}

// AppendChunk appends the encoding of c to dst. It is written by hand because every byte
// of firmware passes here and in ParseChunk; a test holds it equal to the library's.
func AppendChunk(dst []byte, c Chunk) []byte {
	dst = append(dst, chunkHead[:]...)
	dst = append(dst, c.Image[:]...)
	dst = append(dst, 1)
	dst = appendHead(dst, 0x00, c.Index)
	dst = append(dst, 2)
	dst = appendHead(dst, 0x40, uint32(len(c.Data)))
	return append(dst, c.Data...)
}

// appendHead appends the shortest head of a CBOR item (RFC 8949 §3).
func appendHead(dst []byte, major byte, n uint32) []byte {
	switch {
	case n < 24:
		return append(dst, major|byte(n))
	case n < 1<<8:
		return append(dst, major|24, byte(n))
	case n < 1<<16:
		return binary.BigEndian.AppendUint16(append(dst, major|25), uint16(n))
	}
	return binary.BigEndian.AppendUint32(append(dst, major|26), n)
}

// ParseChunk reads a Chunk. Data points into data where data has the form AppendChunk
// writes, and is a copy where a key was added or another encoding chosen.
func ParseChunk(data []byte) (Chunk, error) {
	if c, ok := parseOwnChunk(data); ok {
		return c, nil
	}
	var r chunkRecord
	if err := decode(data, MaxChunk+MaxControl, &r); err != nil {
		return Chunk{}, err
	}
	switch {
	case r.Index == nil || r.Data == nil:
		return Chunk{}, refuse(ReasonMalformed, "key 1, index, or key 2, data, is missing")
	case len(r.Data) == 0 || len(r.Data) > MaxChunk:
		return Chunk{}, refuse(ReasonOverLimit, "key 2, data: %d bytes, 1 to %d are allowed", len(r.Data), MaxChunk)
	}
	c := Chunk{Index: *r.Index, Data: r.Data}
	return c, fixed(c.Image[:], r.Image, "key 0, image")
}

func parseOwnChunk(data []byte) (c Chunk, ok bool) {
	if len(data) < len(chunkHead)+len(c.Image) || [3]byte(data) != chunkHead {
		return c, false
	}
	rest := data[len(chunkHead):]
	rest = rest[copy(c.Image[:], rest):]
	if len(rest) == 0 || rest[0] != 1 {
		return c, false
	}
	index, rest, ok := parseHead(rest[1:], 0x00)
	if !ok || len(rest) == 0 || rest[0] != 2 {
		return c, false
	}
	n, rest, ok := parseHead(rest[1:], 0x40)
	if !ok || n == 0 || n > MaxChunk || int(n) != len(rest) {
		return c, false
	}
	c.Index, c.Data = index, rest
	return c, true
}

func parseHead(data []byte, major byte) (n uint32, rest []byte, ok bool) {
	if len(data) == 0 || data[0]&0xe0 != major {
		return 0, nil, false
	}
	info, data := data[0]&0x1f, data[1:]
	switch {
	case info < 24:
		return uint32(info), data, true
	case info == 24 && len(data) >= 1:
		return uint32(data[0]), data[1:], true
	case info == 25 && len(data) >= 2:
		return uint32(binary.BigEndian.Uint16(data)), data[2:], true
	case info == 26 && len(data) >= 4:
		return binary.BigEndian.Uint32(data), data[4:], true
	}
	return 0, nil, false
}

// ChunkSource gives the encoded chunks of one image at one chunk size. Its slices are
// shared by all who download the image and must not be modified.
type ChunkSource interface {
	// Chunks returns the encodings of some of the chunks first to first+count-1, at
	// least one, appended to dst. It may wait for the disk. Where it has to wait for
	// its turn, too, and done is closed or will be, it returns an error instead.
	Chunks(done <-chan struct{}, dst [][]byte, first, count uint32) ([][]byte, error)
}
