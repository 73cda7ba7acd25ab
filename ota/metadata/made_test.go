package metadata

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-iot/muster/fleet"
)

// The writers in this file follow the formats' documents on their own, field by field, and
// share nothing with the readers.

// espImage is an image of ESP-IDF in the making.
type espImage struct {
	chip     uint16
	legacy   byte   // lowest revision, as old versions write it
	revision uint16 // lowest revision
	version  string
	project  string
	segments [][]byte // after the one with the description
	count    int      // of segments in the header; 0: as many as there are
}

func (e espImage) bytes() []byte {
	description := make([]byte, 256)
	copy(description, "\x32\x54\xCD\xAB\x00\x00\x00\x00")
	copy(description[16:48], e.version)
	copy(description[48:80], e.project)
	var b bytes.Buffer
	count := e.count
	if count == 0 {
		count = 1 + len(e.segments)
	}
	b.Write([]byte{0xE9, byte(count), 2, 0x20})
	b.Write([]byte{0x00, 0x00, 0x38, 0x40, 0xEE, 0, 0, 0})
	b.Write(binary.LittleEndian.AppendUint16(nil, e.chip))
	b.WriteByte(e.legacy)
	b.Write(binary.LittleEndian.AppendUint16(nil, e.revision))
	b.Write([]byte{0xFF, 0xFF, 0, 0, 0, 0, 1})
	check := byte(0xEF)
	for _, segment := range append([][]byte{description}, e.segments...) {
		b.Write([]byte{0x20, 0x00, 0x00, 0x3C})
		b.Write(binary.LittleEndian.AppendUint32(nil, uint32(len(segment))))
		b.Write(segment)
		for _, each := range segment {
			check ^= each
		}
	}
	for b.Len()%16 != 15 {
		b.WriteByte(0)
	}
	b.WriteByte(check)
	digest := sha256.Sum256(b.Bytes())
	b.Write(digest[:])
	return b.Bytes()
}

// mcuImage is an image for MCUboot in the making.
type mcuImage struct {
	header    uint16 // bytes
	version   [8]byte
	protected []byte // entries
	entries   []byte // entries after the hash
	noHash    bool
}

func tlv(kind uint16, value []byte) []byte {
	b := binary.LittleEndian.AppendUint16(nil, kind)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(value)))
	return append(b, value...)
}

func (m mcuImage) bytes() []byte {
	program := bytes.Repeat([]byte("program "), 100)
	size := uint16(0)
	if m.protected != nil {
		size = uint16(4 + len(m.protected))
	}
	b := []byte{0x3d, 0xb8, 0xf3, 0x96, 0, 0, 0, 0}
	b = binary.LittleEndian.AppendUint16(b, m.header)
	b = binary.LittleEndian.AppendUint16(b, size)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(program)))
	b = append(b, 0, 0, 0, 0)
	b = append(b, m.version[:]...)
	b = append(b, make([]byte, max(0, int(m.header)-len(b)))...)
	b = append(b, program...)
	if m.protected != nil {
		b = append(b, 0x08, 0x69)
		b = binary.LittleEndian.AppendUint16(b, size)
		b = append(b, m.protected...)
	}
	entries := m.entries
	if !m.noHash {
		digest := sha256.Sum256(b)
		entries = append(tlv(0x10, digest[:]), entries...)
	}
	b = append(b, 0x07, 0x69)
	b = binary.LittleEndian.AppendUint16(b, uint16(4+len(entries)))
	return append(b, entries...)
}

// uf2Made is one block of a UF2 file.
type uf2Made struct {
	flags, number, of, family uint32
	tags                      string // after a payload of 256 bytes
}

func (u uf2Made) bytes() []byte {
	b := []byte("UF2\n\x57\x51\x5D\x9E")
	for _, n := range []uint32{u.flags, 0x10000000 + 256*u.number, 256, u.number, u.of, u.family} {
		b = binary.LittleEndian.AppendUint32(b, n)
	}
	b = append(b, make([]byte, 476)...)
	copy(b[32+256:], u.tags)
	return append(b, "\x30\x6F\xB1\x0A"...)
}

func uf2File(blocks ...uf2Made) (file []byte) {
	for _, block := range blocks {
		file = append(file, block.bytes()...)
	}
	return file
}

const (
	rp2040  = 0xe48bff56
	rp2350  = 0xe48bff59
	unknown = 0x12345678
	// the example of UF2's own description
	toaster = "\x09\xbc\xc7\x9f0.1.2\x00\x00\x00" + "\x14\x9d\x0d\x65ACME Toaster mk3" + "\x00\x00\x00\x00"
)

func madeImages() map[string][]byte {
	counter := tlv(0x50, []byte{9, 0, 0, 0})
	return map[string][]byte{
		"ESP-IDF, several segments":          espImage{chip: 9, revision: 102, version: "1.2.3", project: "lamp", segments: [][]byte{[]byte("four"), make([]byte, 70_000)}}.bytes(),
		"ESP-IDF, an old one":                espImage{chip: 0, legacy: 3, version: "7"}.bytes(),
		"ESP-IDF, a chip of tomorrow":        espImage{chip: 99, version: "\x1b[31mred", project: strings.Repeat("é", 16)}.bytes(),
		"MCUboot, a large header":            mcuImage{header: 512, version: [8]byte{1, 2, 3, 1, 4, 0, 0, 0}, protected: counter}.bytes(),
		"MCUboot, a counter not protected":   mcuImage{header: 32, version: [8]byte{1}, entries: counter}.bytes(),
		"MCUboot, two dependencies":          mcuImage{header: 32, protected: append(tlv(0x40, []byte{1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0}), tlv(0x40, []byte{2, 0, 0, 0, 0, 1, 0, 0, 7, 0, 0, 0})...)}.bytes(),
		"MCUboot, a hash after a second one": mcuImage{header: 32, version: [8]byte{1}, entries: tlv(0x11, nil)}.bytes(),
		"UF2, its own example":               uf2File(uf2Made{flags: 0xA000, of: 2, family: rp2040, tags: toaster}, uf2Made{flags: 0x2000, number: 1, of: 2, family: rp2040}),
		"UF2, a device type":                 uf2File(uf2Made{flags: 0x8000, of: 1, tags: "\x08\x29\xa7\xc8\x78\x56\x34\x12"}),
		"UF2, a long device type":            uf2File(uf2Made{flags: 0x8000, of: 1, tags: "\x0c\x29\xa7\xc8\x78\x56\x34\x12\x01\x00\x00\x00"}),
		"UF2, for RP2350": uf2File(uf2Made{flags: 0xA000, of: 2, family: 0xe48bff57, tags: "\x04\xe3\x57\x99"},
			uf2Made{flags: 0x2000, of: 1, family: rp2350}),
		"UF2, for two families": uf2File(uf2Made{flags: 0x2000, of: 1, family: rp2040}, uf2Made{flags: 0x2000, of: 1, family: unknown}),
	}
}

func TestMadeImagesAreRead(t *testing.T) {
	want := map[string]fleet.Metadata{
		"ESP-IDF, several segments":          {Format: fleet.FormatESPIDF, Version: "1.2.3", Project: "lamp", Hardware: "ESP32-S3", MinRevision: "1.2"},
		"ESP-IDF, an old one":                {Format: fleet.FormatESPIDF, Version: "7", Hardware: "ESP32", MinRevision: "3"},
		"ESP-IDF, a chip of tomorrow":        {Format: fleet.FormatESPIDF, Version: "?[31mred", Project: strings.Repeat("é", 16), Hardware: "Espressif chip 99"},
		"MCUboot, a large header":            {Format: fleet.FormatMCUboot, Version: "1.2.259+4", Counter: 9},
		"MCUboot, a counter not protected":   {Format: fleet.FormatMCUboot, Version: "1.0.0"},
		"MCUboot, two dependencies":          {Format: fleet.FormatMCUboot, Depends: "image 1 >= 2.0.0, image 2 >= 0.1.0+7"},
		"MCUboot, a hash after a second one": {Format: fleet.FormatMCUboot, Version: "1.0.0"},
		"UF2, its own example":               {Format: fleet.FormatUF2, Version: "0.1.2", Project: "ACME Toaster mk3", Hardware: "RP2040"},
		"UF2, a device type":                 {Format: fleet.FormatUF2, Hardware: "device type 0x12345678"},
		"UF2, a long device type":            {Format: fleet.FormatUF2, Hardware: "device type 0x0000000112345678"},
		"UF2, for RP2350":                    {Format: fleet.FormatUF2, Hardware: "RP2350, Arm secure"},
		"UF2, for two families":              {Format: fleet.FormatUF2, Hardware: "RP2040, UF2 family 0x12345678"},
	}
	for name, data := range madeImages() {
		got, err := read(data)
		if diff := cmp.Diff(want[name], got); diff != "" || err != nil {
			t.Errorf("%s: error %v; -want +got\n%s", name, err, diff)
		}
	}
}

func TestImagesThatContradictThemselvesAreRejected(t *testing.T) {
	edit := func(data []byte, at int, value ...byte) []byte {
		copy(data[at:], value)
		return data
	}
	plain := mcuImage{header: 32, version: [8]byte{1}}
	for name, row := range map[string]struct {
		data []byte
		want string
	}{
		"ESP-IDF, no segments":              {edit(espImage{}.bytes(), 1, 0), "counts 0 segments"},
		"ESP-IDF, 17 segments":              {espImage{count: 17}.bytes(), "counts 17 segments"},
		"ESP-IDF, a segment over the end":   {edit(espImage{}.bytes(), 28, 0xFF, 0xFF, 0xFF, 0xFF), "before its own end"},
		"ESP-IDF, a short first segment":    {edit(espImage{}.bytes(), 28, 255, 0, 0, 0), "less than the description"},
		"ESP-IDF, hash_appended 2":          {edit(espImage{}.bytes(), 23, 2), "hash_appended"},
		"ESP-IDF, the digest is wrong":      {edit(espImage{}.bytes(), 8, 0), "its SHA-256 is"},
		"ESP-IDF, the checksum is wrong":    {edit(espImage{version: "1"}.bytes(), 48, '2'), "the checksum of its segments is"},
		"MCUboot, a short header":           {edit(plain.bytes(), 8, 31, 0), "its header has 31 bytes"},
		"MCUboot, a program over the end":   {edit(plain.bytes(), 12, 0xFF, 0xFF, 0xFF, 0xFF), "before its own end"},
		"MCUboot, a protected area of 3":    {edit(plain.bytes(), 10, 3, 0), "protected TLV area 3 bytes"},
		"MCUboot, no protected area":        {edit(plain.bytes(), 10, 8, 0), "promises is not at byte 832"},
		"MCUboot, no TLV area":              {edit(plain.bytes(), 832, 0), "no TLV area follows"},
		"MCUboot, an area of 3 bytes":       {edit(plain.bytes(), 834, 3, 0), "no TLV area follows"},
		"MCUboot, an area over the end":     {edit(plain.bytes(), 834, 0xFF, 0xFF), "before its own end"},
		"MCUboot, an entry over the end":    {edit(plain.bytes(), 838, 33, 0), "outside its area"},
		"MCUboot, half an entry":            {mcuImage{header: 32, entries: []byte{1, 0}}.bytes(), "outside its area"},
		"MCUboot, no hash":                  {mcuImage{header: 32, noHash: true}.bytes(), "has no hash"},
		"MCUboot, a hash of 31 bytes":       {mcuImage{header: 32, noHash: true, entries: tlv(0x10, make([]byte, 31))}.bytes(), "its hash is"},
		"MCUboot, an empty hash":            {mcuImage{header: 32, noHash: true, entries: tlv(0x12, nil)}.bytes(), "its hash is"},
		"MCUboot, a counter of 2 bytes":     {mcuImage{header: 32, protected: tlv(0x50, []byte{1, 0})}.bytes(), "security counter has 2 bytes"},
		"MCUboot, a dependency of 4 bytes":  {mcuImage{header: 32, protected: tlv(0x40, make([]byte, 4))}.bytes(), "a dependency has 4 bytes"},
		"UF2, half a block":                 {uf2File(uf2Made{of: 1})[:256], "not a multiple"},
		"UF2, a block is missing":           {uf2File(uf2Made{of: 2, flags: 0x2000, family: rp2040}), "it has 1 of 2 UF2 blocks for RP2040"},
		"UF2, the first block is missing":   {uf2File(uf2Made{number: 1, of: 2}), "number 0 of 2 is due"},
		"UF2, a block too many":             {uf2File(uf2Made{of: 1}, uf2Made{number: 1, of: 1}), "number 1 of 1 is due"},
		"UF2, a block twice":                {uf2File(uf2Made{of: 2}, uf2Made{of: 2}), "number 1 of 2 is due"},
		"UF2, no blocks":                    {uf2File(uf2Made{of: 0}), "number 0 of 0 is due"},
		"UF2, numbers of blocks differ":     {uf2File(uf2Made{of: 2}, uf2Made{number: 1, of: 3}), "number 1 of 2 is due"},
		"UF2, a foreign block":              {append(uf2File(uf2Made{of: 2}), make([]byte, 512)...), "block 1 of the file is not a UF2 block"},
		"UF2, half a block's marks":         {edit(uf2File(uf2Made{of: 1}), 508, 0), "is not a UF2 block"},
		"UF2, a payload over the end":       {edit(uf2File(uf2Made{of: 1}), 16, 0xDD, 1), "has 477 bytes of data"},
		"UF2, a tag over the end":           {uf2File(uf2Made{of: 1, flags: 0x8000, tags: "\xff\xbc\xc7\x9f"}), "ends outside it"},
		"UF2, a tag of 3 bytes":             {uf2File(uf2Made{of: 1, flags: 0x8000, tags: "\x03\xbc\xc7\x9f"}), "ends outside it"},
		"UF2, more families than there are": {uf2Many(9), "more than 8 families"},
	} {
		m, err := read(row.data)
		if !errors.Is(err, fleet.Invalid) || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: got %+v, %v, want %q", name, m, err, row.want)
		}
	}
}

func uf2Many(families uint32) (file []byte) {
	for id := range families {
		file = append(file, uf2Made{flags: 0x2000, of: 1, family: id}.bytes()...)
	}
	return file
}
