package metadata

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"fmt"
	"hash"
	"strings"

	"github.com/muster-iot/muster/fleet"
)

// An image for MCUboot is a header, the program, and one or two areas of entries (TLVs): the
// first, optional, is covered by the image's hash and signature, the second holds them. All is
// little-endian. Source: MCUboot's bootutil/image.h, bootutil's tlv.c, and imgtool's image.py.
const (
	mcuMagic          = 0x96f3b83d
	mcuHeader         = 32
	mcuEntries        = 0x6907 // begins the area of hash and signature
	mcuProtected      = 0x6908 // begins the protected area
	mcuAreaHeader     = 4
	mcuEntryHeader    = 4
	mcuEncrypted      = 0x4 | 0x8 // flags in the header: AES-128, AES-256
	mcuSHA256         = 0x10
	mcuSHA384         = 0x11
	mcuSHA512         = 0x12
	mcuFirstSignature = 0x20 // to mcuLastSignature: RSA, ECDSA, Ed25519
	mcuLastSignature  = 0x24
	mcuPureSignature  = 0x25 // the signature is of the image, not of its hash
	mcuDependency     = 0x40
	mcuCounter        = 0x50
)

func isMCUboot(head []byte) bool { return len(head) >= 4 && le32(head) == mcuMagic }

func mcuboot(i image) (fleet.Metadata, error) {
	header, err := i.read(0, mcuHeader)
	if err != nil {
		return fleet.Metadata{}, err
	}
	start, protectedSize := int64(le16(header[8:])), int(le16(header[10:]))
	if start < mcuHeader {
		return fleet.Metadata{}, damaged("its header has %d bytes, one for MCUboot has at least %d", start, mcuHeader)
	}
	end := start + int64(le32(header[12:]))
	protected, err := mcuProtectedEntries(i, end, protectedSize)
	if err != nil {
		return fleet.Metadata{}, err
	}
	end += int64(protectedSize)
	entries, err := mcuUnprotectedEntries(i, end)
	if err != nil {
		return fleet.Metadata{}, err
	}
	m := fleet.Metadata{Format: fleet.FormatMCUboot, Encrypted: le32(header[16:])&mcuEncrypted != 0, Signed: mcuSigned(entries)}
	if m.Version = mcuVersion(header[20:28]); m.Version == "0.0.0" {
		m.Version = "" // what Zephyr's build writes for an application without a version
	}
	if err := mcuVerify(i, end, entries, m.Encrypted); err != nil {
		return m, err
	}
	return m, mcuRequirements(protected, &m)
}

// mcuVersion is major, minor (a byte each), revision (2 bytes) and build number (4 bytes), as
// imgtool spells them.
func mcuVersion(b []byte) string {
	text := fmt.Sprintf("%d.%d.%d", b[0], b[1], le16(b[2:]))
	if build := le32(b[4:]); build > 0 {
		text += fmt.Sprintf("+%d", build)
	}
	return text
}

// entry is one TLV.
type entry struct {
	kind  uint16
	value []byte
}

// mcuProtectedEntries reads the protected area at off, of the size that the header has.
func mcuProtectedEntries(i image, off int64, size int) ([]entry, error) {
	if size == 0 {
		return nil, nil
	}
	if size < mcuAreaHeader {
		return nil, damaged("its header gives the protected TLV area %d bytes", size)
	}
	area, err := i.read(off, size)
	if err != nil {
		return nil, err
	}
	if le16(area) != mcuProtected || int(le16(area[2:])) != size {
		return nil, damaged("the protected TLV area that its header promises is not at byte %d", off)
	}
	return mcuSplit(area[mcuAreaHeader:])
}

// mcuUnprotectedEntries reads the area of hash and signature at off.
func mcuUnprotectedEntries(i image, off int64) ([]entry, error) {
	header, err := i.read(off, mcuAreaHeader)
	if err != nil {
		return nil, err
	}
	size := int(le16(header[2:]))
	if le16(header) != mcuEntries || size < mcuAreaHeader {
		return nil, damaged("no TLV area follows it at byte %d (imgtool sign adds one)", off)
	}
	area, err := i.read(off+mcuAreaHeader, size-mcuAreaHeader)
	if err != nil {
		return nil, err
	}
	return mcuSplit(area)
}

func mcuSplit(area []byte) (entries []entry, err error) {
	for len(area) > 0 {
		if len(area) < mcuEntryHeader || int(le16(area[2:])) > len(area)-mcuEntryHeader {
			return nil, damaged("a TLV entry ends outside its area")
		}
		end := mcuEntryHeader + int(le16(area[2:]))
		entries = append(entries, entry{kind: le16(area), value: area[mcuEntryHeader:end]})
		area = area[end:]
	}
	return entries, nil
}

// mcuVerify compares the image's hash, which is of everything before end. That of an encrypted
// image is of its plain text, so only the device can verify it.
func mcuVerify(i image, end int64, entries []entry, encrypted bool) error {
	pure := false
	for _, e := range entries {
		var digest hash.Hash
		switch e.kind {
		case mcuPureSignature:
			pure = true
			continue
		case mcuSHA256:
			digest = sha256.New()
		case mcuSHA384:
			digest = sha512.New384()
		case mcuSHA512:
			digest = sha512.New()
		default:
			continue
		}
		if encrypted {
			return nil
		}
		if err := i.copy(digest, 0, end); err != nil {
			return err
		}
		if got := digest.Sum(nil); !bytes.Equal(got, e.value) {
			return damaged("its hash is %x…, and %x… is stored in it", got[:8], e.value[:min(8, len(e.value))])
		}
		return nil // the boot loader takes one of them; more would only cost time
	}
	if pure {
		return nil
	}
	return damaged("its TLV area has no hash, so MCUboot would refuse it (imgtool sign adds one)")
}

func mcuSigned(entries []entry) bool {
	for _, e := range entries {
		if e.kind >= mcuFirstSignature && e.kind <= mcuLastSignature {
			return true
		}
	}
	return false
}

// mcuRequirements reads security counter and dependencies. The boot loader takes both from the
// protected area only.
func mcuRequirements(protected []entry, m *fleet.Metadata) error {
	var depends []string
	for _, e := range protected {
		switch e.kind {
		case mcuCounter:
			if len(e.value) != 4 {
				return damaged("its security counter has %d bytes, not 4", len(e.value))
			}
			m.Counter = le32(e.value)
		case mcuDependency: // the number of an image, padding, its lowest version
			if len(e.value) != 12 {
				return damaged("a dependency has %d bytes, not 12", len(e.value))
			}
			depends = append(depends, fmt.Sprintf("image %d >= %s", e.value[0], mcuVersion(e.value[4:])))
		}
	}
	m.Depends = printable([]byte(strings.Join(depends, ", ")))
	return nil
}
