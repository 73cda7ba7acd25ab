package devicefile

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/unicode"

	"github.com/muster-iot/muster/fleet"
)

// decode returns data as text without a byte order mark, with LF at the end of each line.
func decode(data []byte) (string, error) {
	if order, is := utf16Order(data); is {
		decoded, err := unicode.UTF16(order, unicode.UseBOM).NewDecoder().Bytes(data)
		if err != nil || len(data)%2 != 0 {
			return "", fleet.FieldErrorf("file", "the file looks like UTF-16 but can't be read: save it as CSV in UTF-8")
		}
		data = decoded
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if !utf8.Valid(data) {
		return "", fleet.FieldErrorf("file", "the file is neither UTF-8 nor UTF-16: in a spreadsheet, choose \"CSV UTF-8\" when you save it")
	}
	if bytes.IndexByte(data, 0) >= 0 {
		return "", fleet.FieldErrorf("file", "the file is not text: save the spreadsheet as CSV, or write one device id on each line")
	}
	return strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(string(data)), nil
}

// utf16Order reports whether data is UTF-16, and its byte order: by the byte order mark or,
// without one, by the zero bytes next to ASCII characters.
func utf16Order(data []byte) (unicode.Endianness, bool) {
	switch {
	case bytes.HasPrefix(data, []byte{0xff, 0xfe}):
		return unicode.LittleEndian, true
	case bytes.HasPrefix(data, []byte{0xfe, 0xff}):
		return unicode.BigEndian, true
	case len(data) < 2:
		return unicode.LittleEndian, false
	}
	return map[bool]unicode.Endianness{true: unicode.LittleEndian, false: unicode.BigEndian}[data[0] != 0],
		(data[0] == 0) != (data[1] == 0)
}
