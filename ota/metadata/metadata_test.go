package metadata

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-iot/muster/fleet"
)

// vendors is what the images state that the vendors' own tools made (testdata/vectors.py).
var vendors = map[string]fleet.Metadata{
	"esp32c3.bin":           esp32c3,
	"esp32c3-no-digest.bin": with(esp32c3, func(m *fleet.Metadata) { m.MinRevision = "" }),
	"esp32c3-signed.bin":    with(esp32c3, func(m *fleet.Metadata) { m.Signed = true }),
	"esp32c3.uf2":           {Format: fleet.FormatUF2, Hardware: "ESP32-C3"},
	"mcuboot.bin":           {Format: fleet.FormatMCUboot, Version: "1.4.2+7", Counter: 5, Depends: "image 1 >= 2.0.1", Signed: true},
	"mcuboot-unsigned.bin":  {Format: fleet.FormatMCUboot, Version: "7.0.0"},
	"mcuboot-sha512.bin":    {Format: fleet.FormatMCUboot},
	"mcuboot-pure.bin":      {Format: fleet.FormatMCUboot, Version: "1.0.0", Signed: true},
	"mcuboot-encrypted.bin": {Format: fleet.FormatMCUboot, Version: "2.0.0", Signed: true, Encrypted: true},
	"mcuboot-padded.bin":    {Format: fleet.FormatMCUboot, Version: "1.4.2", Signed: true, Counter: 1<<24 | 4<<16 | 2},
	"nrf52840.uf2":          {Format: fleet.FormatUF2, Hardware: "nRF52840"},
}

var esp32c3 = fleet.Metadata{
	Format: fleet.FormatESPIDF, Version: "v1.4.0-2-g0123abc", Project: "lamp", Hardware: "ESP32-C3", MinRevision: "0.3", Counter: 3,
	Built: "Nov 28 2026 10:11:12", SDK: "ESP-IDF v5.3.1",
}

func with(m fleet.Metadata, change func(*fleet.Metadata)) fleet.Metadata {
	change(&m)
	return m
}

func vector(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func read(data []byte) (fleet.Metadata, error) { return Read(bytes.NewReader(data), int64(len(data))) }

func TestImagesOfTheVendorsToolsAreRead(t *testing.T) {
	for name, want := range vendors {
		got, err := read(vector(t, name))
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: error %v; -want +got\n%s", name, err, diff)
		}
	}
}

// A bit that flips anywhere in what checksums cover is noticed; in the bytes that show the
// format it makes an opaque image.
func TestADamagedByteIsNoticed(t *testing.T) {
	for name, covered := range map[string]int{
		"esp32c3.bin":          400,
		"esp32c3-signed.bin":   400,
		"mcuboot.bin":          0x104 + 8 + 32, // through the hash
		"mcuboot-unsigned.bin": 232 + 8 + 32,
		"mcuboot-sha512.bin":   232 + 8 + 64,
	} {
		data := vector(t, name)
		for i := range covered {
			data[i] ^= 0x10
			m, err := read(data)
			data[i] ^= 0x10
			if err == nil && m.Format != fleet.Opaque || err != nil && !errors.Is(err, fleet.Invalid) {
				t.Errorf("%s with byte %d damaged: got %+v, %v", name, i, m, err)
			}
		}
	}
}

func TestATruncatedImageIsNoticed(t *testing.T) {
	ends := map[string]int{"esp32c3-signed.bin": 400, "mcuboot-padded.bin": 0} // what follows is padding, or a signature
	for name := range vendors {
		data := vector(t, name)
		end, ok := ends[name]
		if !ok {
			end = len(data)
		}
		for n := range end {
			if m, err := read(data[:n]); err == nil && m.Format != fleet.Opaque || err != nil && !errors.Is(err, fleet.Invalid) {
				t.Errorf("%s, %d of %d bytes: got %+v, %v", name, n, len(data), m, err)
			}
		}
	}
}

func TestTextFormatsAreRejectedWithAHint(t *testing.T) {
	for name, row := range map[string]struct{ text, want string }{
		"lamp.hex":                {string(vector(t, "lamp.hex")), "objcopy -I ihex -O binary"},
		"lamp.srec":               {string(vector(t, "lamp.srec")), "objcopy -I srec -O binary"},
		"Intel HEX, one record":   {":00000001FF", "Intel HEX"},
		"Intel HEX, long record":  {":FF0000FF" + strings.Repeat("00", 255) + "02\r\n", "Intel HEX"},
		"a wrong checksum":        {":00000001FE", ""},
		"a colon":                 {":", ""},
		"a text that begins so":   {":10 Lamps\n", ""},
		"an S":                    {"S", ""},
		"an S and nothing":        {"S1", ""},
		"an S and half a byte":    {"S10", ""},
		"an S and a short record": {"S1FF00", ""},
		"a shell script":          {"#!/bin/sh\n", ""},
		"one byte":                {"\xE9", ""},
	} {
		m, err := read([]byte(row.text))
		if row.want == "" {
			if m != (fleet.Metadata{}) || err != nil {
				t.Errorf("%s: got %+v, %v, want an opaque image", name, m, err)
			}
			continue
		}
		if !errors.Is(err, fleet.Invalid) || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: got %v, want %q", name, err, row.want)
		}
	}
}

// broken fails reads from off on.
type broken struct {
	data []byte
	off  int64
}

func (b broken) ReadAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) > b.off {
		return 0, io.ErrNoProgress
	}
	return copy(p, b.data[off:]), nil
}

// A disk that fails is the server's trouble, not a damaged image.
func TestErrorsOfTheReaderAreNotTheImages(t *testing.T) {
	for name := range vendors {
		data := vector(t, name)
		for _, off := range []int64{0, int64(len(data)) / 2} {
			if _, err := Read(broken{data, off}, int64(len(data))); !errors.Is(err, io.ErrNoProgress) || errors.Is(err, fleet.Invalid) {
				t.Errorf("%s, broken at %d: got %v", name, off, err)
			}
		}
	}
}

// counting counts the bytes that are read.
type counting struct {
	io.ReaderAt
	read int64
}

func (c *counting) ReadAt(p []byte, off int64) (int, error) {
	n, err := c.ReaderAt.ReadAt(p, off)
	c.read += int64(n)
	return n, err
}

func FuzzRead(f *testing.F) {
	for name := range vendors {
		f.Add(vector(f, name))
	}
	for _, made := range madeImages() {
		f.Add(made)
	}
	f.Add(vector(f, "lamp.hex"))
	f.Add(vector(f, "lamp.srec"))
	f.Fuzz(func(t *testing.T, data []byte) {
		r := &counting{ReaderAt: bytes.NewReader(data)}
		m, err := Read(r, int64(len(data)))
		if err != nil && !errors.Is(err, fleet.Invalid) {
			t.Errorf("got %v, want an error of kind %v", err, fleet.Invalid)
		}
		if most := 3*int64(len(data)) + 200<<10; r.read > most {
			t.Errorf("read %d bytes of an image of %d", r.read, len(data))
		}
		for _, text := range []string{m.Version, m.Project, m.Hardware, m.MinRevision, m.Depends, m.Built, m.SDK} {
			if len(text) > fleet.MaxStated || !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
				t.Errorf("a text that can't be shown: %q", text)
			}
		}
		if stated := m.StatedVersion(); stated.Valid() && (m.Format == fleet.Opaque || !m.Fits(stated)) {
			t.Errorf("%+v states version %s, which doesn't fit it", m, stated)
		}
	})
}
