package metadata

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/muster-iot/muster/fleet"
)

// A UF2 file consists of blocks of 512 bytes, each with its place in memory, its number and
// the number of all blocks. Blocks may name the family of microcontroller they are for; a
// file may hold the blocks of several families, one after the other, each numbered from 0.
// Source: README.md of microsoft/uf2.
const (
	uf2Magic1     = 0x0A324655
	uf2Magic2     = 0x9E5D5157
	uf2MagicEnd   = 0x0AB16F30
	uf2Block      = 512
	uf2Data       = 32  // where data begins
	uf2MaxData    = 476 // bytes
	uf2MD5        = 24  // bytes at the end of data
	uf2HasFamily  = 0x2000
	uf2HasMD5     = 0x4000
	uf2HasTags    = 0x8000
	uf2Version    = 0x9fc7bc // extension tags
	uf2Device     = 0x650d9d
	uf2DeviceType = 0xc8a729
	uf2Ignored    = 0x9957e3 // RP2350: a block that its boot loader skips (erratum E10)

	uf2MaxFamilies = 8 // ours
)

func isUF2(head []byte) bool {
	return len(head) >= 8 && le32(head) == uf2Magic1 && le32(head[4:]) == uf2Magic2
}

// family counts the blocks for one kind of microcontroller.
type family struct {
	id        uint32
	named     bool // id counts
	got, want uint32
}

func (f family) String() string {
	switch name, ok := uf2Families[f.id]; {
	case !f.named:
		return "no family"
	case ok:
		return name
	}
	return fmt.Sprintf("UF2 family %#08x", f.id)
}

func uf2(i image) (fleet.Metadata, error) {
	if i.size%uf2Block != 0 {
		return fleet.Metadata{}, damaged("its size, %d bytes, is not a multiple of a UF2 block's %d", i.size, uf2Block)
	}
	m := fleet.Metadata{Format: fleet.FormatUF2}
	var families []family
	device := ""
	r := bufio.NewReaderSize(io.NewSectionReader(i.r, 0, i.size), 32<<10)
	block := make([]byte, uf2Block)
	for n := range i.size / uf2Block {
		if _, err := io.ReadFull(r, block); err != nil {
			return m, fmt.Errorf("image: %w", err)
		}
		tags, err := uf2Tags(block, n)
		if err != nil {
			return m, err
		}
		if _, ignored := tags[uf2Ignored]; ignored {
			continue
		}
		if families, err = uf2Count(families, block, n); err != nil {
			return m, err
		}
		first(&m.Version, printable(tags[uf2Version]))
		first(&m.Project, printable(tags[uf2Device]))
		first(&device, uf2Kind(tags[uf2DeviceType]))
	}
	for _, f := range families {
		if f.got != f.want {
			return m, damaged("it has %d of %d UF2 blocks for %s", f.got, f.want, f)
		}
	}
	m.Hardware = uf2Hardware(families, device)
	return m, nil
}

// uf2Count counts block n of the file for its family.
func uf2Count(families []family, block []byte, n int64) ([]family, error) {
	f := family{named: le32(block[8:])&uf2HasFamily != 0, want: le32(block[24:])}
	if f.named {
		f.id = le32(block[28:])
	}
	at := slices.IndexFunc(families, func(known family) bool { return known.id == f.id && known.named == f.named })
	if at < 0 {
		if len(families) == uf2MaxFamilies {
			return nil, damaged("it has UF2 blocks for more than %d families", uf2MaxFamilies)
		}
		at, families = len(families), append(families, f)
	}
	known := &families[at]
	if number := le32(block[20:]); number != known.got || number >= known.want || f.want != known.want {
		return nil, damaged("block %d of the file is UF2 block %d of %d for %s, and number %d of %d is due", n, number, f.want, f, known.got, known.want)
	}
	known.got++
	return families, nil
}

// uf2Tags returns the extension tags of block n of the file, which follow its payload: each
// has a byte with its size, header included, three with its type, its value, and padding to a
// multiple of 4 bytes.
func uf2Tags(block []byte, n int64) (map[uint32][]byte, error) {
	if !isUF2(block) || le32(block[uf2Block-4:]) != uf2MagicEnd {
		return nil, damaged("block %d of the file is not a UF2 block", n)
	}
	flags, payload := le32(block[8:]), le32(block[16:])
	if payload > uf2MaxData {
		return nil, damaged("block %d of the file has %d bytes of data, a UF2 block has at most %d", n, payload, uf2MaxData)
	}
	if flags&uf2HasTags == 0 {
		return nil, nil
	}
	rest := block[uf2Data+(payload+3)&^3 : uf2Data+uf2MaxData]
	if flags&uf2HasMD5 != 0 {
		rest = rest[:max(0, len(rest)-uf2MD5)]
	}
	tags := map[uint32][]byte{}
	for len(rest) >= 4 && rest[0] != 0 {
		size := int(rest[0])
		if size < 4 || size > len(rest) {
			return nil, damaged("an extension tag in block %d of the file ends outside it", n)
		}
		tags[le32(rest)>>8] = rest[4:size]
		rest = rest[min(len(rest), (size+3)&^3):]
	}
	return tags, nil
}

// uf2Kind is the number of a type of device, of 4 or 8 bytes.
func uf2Kind(value []byte) string {
	switch len(value) {
	case 4:
		return fmt.Sprintf("device type %#08x", le32(value))
	case 8:
		return fmt.Sprintf("device type %#016x", uint64(le32(value[4:]))<<32|uint64(le32(value)))
	}
	return ""
}

func uf2Hardware(families []family, device string) string {
	var names []string
	for _, f := range families {
		if f.named {
			names = append(names, f.String())
		}
	}
	if device != "" {
		names = append(names, device)
	}
	return printable([]byte(strings.Join(names, ", ")))
}

// first sets text to found, unless it has a value already.
func first(text *string, found string) {
	if *text == "" {
		*text = found
	}
}
