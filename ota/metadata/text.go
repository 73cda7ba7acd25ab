package metadata

import (
	"bytes"
	"encoding/hex"
	"strings"
	"unicode"

	"github.com/muster-iot/muster/fleet"
)

// printable returns b up to its first NUL as text that can be shown: other characters become
// "?", and it is cut at fleet.MaxStated bytes.
func printable(b []byte) string {
	b, _, _ = bytes.Cut(b, []byte{0})
	text := strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, strings.TrimSpace(string(b)))
	if len(text) > fleet.MaxStated {
		text = strings.ToValidUTF8(text[:fleet.MaxStated], "")
	}
	return text
}

// checkText rejects Intel HEX and Motorola S-records by their first line: they describe
// memory as text, and no boot loader runs them.
func checkText(head []byte) error {
	line, _, _ := bytes.Cut(head, []byte("\n"))
	line = bytes.TrimRight(line, "\r")
	switch {
	case isIntelHex(line):
		return fleet.FieldErrorf("file", "this is Intel HEX, which devices can't run: convert it with objcopy -I ihex -O binary FILE.hex FILE.bin")
	case isSRecord(line):
		return fleet.FieldErrorf("file", "this is a Motorola S-record, which devices can't run: convert it with objcopy -I srec -O binary FILE.srec FILE.bin")
	}
	return nil
}

// isIntelHex reports whether line is a whole record: a colon, and in hexadecimal the number
// of data bytes, two bytes of address, the type, the data, and a checksum with which all
// bytes add up to 0.
func isIntelHex(line []byte) bool {
	digits, ok := bytes.CutPrefix(line, []byte(":"))
	record, err := hex.DecodeString(string(digits))
	return ok && err == nil && len(record) >= 5 && int(record[0]) == len(record)-5 && sum(record) == 0
}

// isSRecord reports whether line is a whole record: S, the type, and in hexadecimal the
// number of bytes that follow, the last of which makes all add up to 0xFF.
func isSRecord(line []byte) bool {
	if len(line) < 4 || line[0] != 'S' || line[1] < '0' || line[1] > '9' {
		return false
	}
	record, err := hex.DecodeString(string(line[2:]))
	return err == nil && int(record[0]) == len(record)-1 && sum(record) == 0xFF
}

func sum(b []byte) (total byte) {
	for _, each := range b {
		total += each
	}
	return total
}
