package metadata

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"strconv"
	"strings"

	"github.com/muster-iot/muster/fleet"
)

// An application image of ESP-IDF is a header of 24 bytes, segments with headers of 8, padding
// up to a checksum that ends a block of 16 bytes, and usually a SHA-256 of all before it. The
// first segment begins with a description of the application. Source: esp_image_header_t in
// ESP-IDF's esp_app_format.h, esp_app_desc_t in its esp_app_desc.h, and esptool's bin_image.py.
const (
	espMagic        = 0xE9
	espDescribed    = 0xABCD5432 // the first word of the description
	espHeader       = 24
	espSegment      = 8 // header of a segment
	espDescription  = 256
	espMaxSegments  = 16
	espChecksum     = 0xEF // what the bytes of all segments are XORed with
	espSector       = 4096 // a signature begins at a multiple of this
	espSignature    = 0xE7 // first byte of a Secure Boot V2 signature
	espNoDigest     = 0
	espDigestFollow = 1
)

// espChips are the names of chip ids (esptool, IMAGE_CHIP_ID).
var espChips = map[uint16]string{
	0: "ESP32", 2: "ESP32-S2", 5: "ESP32-C3", 9: "ESP32-S3", 12: "ESP32-C2", 13: "ESP32-C6", 16: "ESP32-H2", 18: "ESP32-P4",
	20: "ESP32-C61", 23: "ESP32-C5", 25: "ESP32-H21", 28: "ESP32-H4", 31: "ESP32-E22", 32: "ESP32-S31",
}

// isESPIDF reports whether head begins an application image. The first byte alone would be
// too little: boot loaders and images for ESP8266 have it too, and they state nothing.
func isESPIDF(head []byte) bool {
	const at = espHeader + espSegment
	return len(head) >= at+4 && head[0] == espMagic && le32(head[at:]) == espDescribed
}

func espIDF(i image) (fleet.Metadata, error) {
	header, err := i.read(0, espHeader)
	if err != nil {
		return fleet.Metadata{}, err
	}
	end, err := espSegments(i, int(header[1]))
	if err != nil {
		return fleet.Metadata{}, err
	}
	if end, err = espDigest(i, header[23], end); err != nil {
		return fleet.Metadata{}, err
	}
	m, err := espDescribe(i)
	if err != nil {
		return m, err
	}
	m.Hardware, m.MinRevision = espChip(le16(header[12:])), espRevision(header)
	m.Signed, err = espSigned(i, end)
	return m, err
}

// espSegments walks the segments, verifies their checksum and returns where it ends.
func espSegments(i image, segments int) (end int64, err error) {
	if segments == 0 || segments > espMaxSegments {
		return 0, damaged("its header counts %d segments, an ESP-IDF image has 1 to %d", segments, espMaxSegments)
	}
	end = espHeader
	checksum := xor(espChecksum)
	for n := range segments {
		header, err := i.read(end, espSegment)
		if err != nil {
			return 0, err
		}
		length := int64(le32(header[4:]))
		if n == 0 && length < espDescription {
			return 0, damaged("its first segment has %d bytes, less than the description in it", length)
		}
		end += espSegment
		if err := i.copy(&checksum, end, length); err != nil {
			return 0, err
		}
		end += length
	}
	end += 15 - end%16
	stored, err := i.read(end, 1)
	if err != nil {
		return 0, err
	}
	if stored[0] != byte(checksum) {
		return 0, damaged("the checksum of its segments is %#02x, and %#02x is stored", byte(checksum), stored[0])
	}
	return end + 1, nil
}

// espDigest verifies the SHA-256 that follows at end, if there is one, and returns where it
// ends.
func espDigest(i image, appended byte, end int64) (int64, error) {
	switch appended {
	case espNoDigest:
		return end, nil
	case espDigestFollow:
	default:
		return 0, damaged("its header has %d where an ESP-IDF image has 0 or 1 (hash_appended)", appended)
	}
	stored, err := i.read(end, sha256.Size)
	if err != nil {
		return 0, err
	}
	digest := sha256.New()
	if err := i.copy(digest, 0, end); err != nil {
		return 0, err
	}
	if got := digest.Sum(nil); !bytes.Equal(got, stored) {
		return 0, damaged("its SHA-256 is %x…, and %x… is stored at its end", got[:8], stored[:8])
	}
	return end + sha256.Size, nil
}

// espDescribe reads the description: version, project name, time, date and ESP-IDF's version
// are texts in fields of fixed size.
func espDescribe(i image) (fleet.Metadata, error) {
	d, err := i.read(espHeader+espSegment, espDescription)
	if err != nil {
		return fleet.Metadata{}, err
	}
	m := fleet.Metadata{
		Format: fleet.FormatESPIDF, Counter: le32(d[4:]), Version: printable(d[16:48]), Project: printable(d[48:80]),
		Built: strings.TrimSpace(printable(d[96:112]) + " " + printable(d[80:96])),
	}
	if sdk := printable(d[112:144]); sdk != "" {
		m.SDK = "ESP-IDF " + sdk
	}
	return m, nil
}

func espChip(id uint16) string {
	if name, ok := espChips[id]; ok {
		return name
	}
	return fmt.Sprintf("Espressif chip %d", id)
}

// espRevision returns the lowest revision of the chip: 100 times the major plus the minor one,
// and before ESP-IDF 4.4.3 one number in another byte.
func espRevision(header []byte) string {
	if full := le16(header[15:]); full > 0 {
		return fmt.Sprintf("%d.%d", full/100, full%100)
	}
	if header[14] > 0 {
		return strconv.Itoa(int(header[14]))
	}
	return ""
}

// espSigned reports whether a signature of Secure Boot V2 follows the image, which is padded
// to a whole sector: the magic byte, and 2 for RSA or 3 for ECDSA.
func espSigned(i image, end int64) (bool, error) {
	at := (end + espSector - 1) / espSector * espSector
	if i.size < at+2 {
		return false, nil
	}
	block, err := i.read(at, 2)
	return err == nil && block[0] == espSignature && (block[1] == 2 || block[1] == 3), err
}

// xor is the checksum of what is written to it.
type xor byte

func (x *xor) Write(p []byte) (int, error) {
	sum := *x // in a register: half the time of an image goes here
	for _, b := range p {
		sum ^= xor(b)
	}
	*x = sum
	return len(p), nil
}
