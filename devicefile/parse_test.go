package devicefile_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/muster-iot/muster/devicefile"
	"github.com/muster-iot/muster/fleet"
)

const (
	secret    = "0123456789abcdef"
	generated = "Zb3nT5q0c9hX2u8JrLwYvKp7sDf1gA4eM6iQoUtWxRE" // of the length and alphabet of Muster's own
)

// encoded is text as UTF-16, with a byte order mark if it begins with one.
func encoded(text string, big bool) []byte {
	var out []byte
	for _, unit := range utf16.Encode([]rune(text)) {
		if big {
			out = append(out, byte(unit>>8), byte(unit))
		} else {
			out = append(out, byte(unit), byte(unit>>8))
		}
	}
	return out
}

// rows is what a file means: each device, in the order of the lines.
func rows(f *devicefile.File) string {
	var out []string
	for _, r := range f.Rows {
		d := r.Device
		text := fmt.Sprintf("%d %s", r.Line, d.ID)
		for _, more := range []string{d.Name, strings.Join(d.Groups, "+"), d.Notes, d.Product} {
			if more != "" {
				text += "/" + more
			}
		}
		if d.Secret != (fleet.Secret{}) {
			text += "/" + hex.EncodeToString(d.Secret[:2])
		}
		if r.Problem != "" {
			text += "!"
		}
		out = append(out, text)
	}
	return strings.Join(out, ", ")
}

func TestFilesMeanTheSameHoweverTheyAreWritten(t *testing.T) {
	hash := sha256.Sum256([]byte(secret))
	table := "device_id;name;groups\r\na;Größe;beta eu\r\nb;;\r\n"
	const meant = "2 a/Größe/beta+eu, 3 b"
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"one id a line":           {[]byte("a\nb\n"), "1 a, 2 b"},
		"CRLF, empty lines":       {[]byte("\r\na\r\n\r\n b \r\n"), "2 a, 4 b"},
		"CR alone":                {[]byte("a\rb\r"), "1 a, 2 b"},
		"a byte order mark":       {[]byte("\ufeffa\nb"), "1 a, 2 b"},
		"quotes, a comma at last": {[]byte("\"lamp-4\"\nlamp-1,\n"), "1 lamp-4, 2 lamp-1"},
		"one line of ids":         {[]byte("a, b,c"), "1 a, 1 b, 1 c"},
		"semicolons":              {[]byte(table), meant},
		"commas":                  {[]byte(strings.ReplaceAll(table, ";", ",")), meant},
		"tabs, an empty cell":     {[]byte("id\tname\tgroups\nx\t\tbeta"), "2 x/beta"},
		"sep=; of a spreadsheet":  {[]byte("sep=;\n" + table), "3 a/Größe/beta+eu, 4 b"},
		"UTF-16, little":          {encoded("\ufeff"+table, false), meant},
		"UTF-16, big":             {encoded("\ufeff"+table, true), meant},
		"UTF-16 without a mark":   {encoded(table, false), meant},
		"a comma in quotes":       {[]byte("id,notes,name\na,\"left, \"\"upper\"\" corner\",Hall"), `2 a/Hall/left, "upper" corner`},
		"a line end in quotes":    {[]byte("id,notes\na,\"one\r\ntwo\"\nb,"), "2 a/one\ntwo, 4 b"},
		"unknown columns":         {[]byte("device_id,location\nlamp-1,Berlin\n"), "2 lamp-1"},
		"a column of ids":         {[]byte("Serial Number\n12a\n"), "2 12a"},
		"secrets as text":         {[]byte("id,secret\na," + secret), fmt.Sprintf("2 a/%x", hash[:2])},
		"secrets as SHA-256":      {[]byte("id,secret_sha256\na," + hex.EncodeToString(hash[:])), fmt.Sprintf("2 a/%x", hash[:2])},
		"Muster's own secrets":    {[]byte("device,secret\na," + generated), fmt.Sprintf("2 a/%x", sha256.Sum256([]byte(generated)))[:len("2 a/ffff")]},
		"products":                {[]byte("id,product\na,lock\nb,"), "2 a/lock, 3 b"},
		"the same id twice":       {[]byte("a\na"), "1 a, 2 a!"},
		"a bad id":                {[]byte("a\nno good"), "1 a, 2 no good!"},
		"a short secret":          {[]byte("id,secret\na,short"), "2 a!"},
		"too many columns":        {[]byte("id,name\na,Hall, upper"), "2 a/Hall!"},
		"a bad group":             {[]byte("id,groups\na,be\u202eta"), "2 a/be\u202eta!"},
	} {
		t.Run(name, func(t *testing.T) {
			f, err := devicefile.Parse(c.data)
			if err != nil {
				t.Fatal(err)
			}
			if got := rows(f); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestFilesThatAreNotClearAreRefusedWithAWayOut(t *testing.T) {
	for name, c := range map[string]struct {
		data []byte
		kind fleet.Kind
		want string
	}{
		"nothing":            {[]byte(" \n,\n"), fleet.Invalid, "write one on each line"},
		"secrets as ids":     {[]byte("lamp-1," + generated + "\nlamp-2," + generated), fleet.Invalid, "add the first line: id,secret"},
		"one secret as id":   {[]byte("lamp-1," + generated), fleet.Invalid, "add the first line: id,secret"},
		"cities as ids":      {[]byte("lamp-1,Berlin\nlamp-2,Rome"), fleet.Invalid, "line 1 has 2 columns"},
		"no id column":       {[]byte("name,notes\nHall,x"), fleet.Invalid, `no column is called "id"`},
		"two columns of ids": {[]byte("device,serial\na,b"), fleet.Invalid, `"device" and "serial" both mean id`},
		"two of secrets":     {[]byte("id,secret,sha256\na,b,c"), fleet.Invalid, "keep one"},
		"a heading alone":    {[]byte("id,name\n"), fleet.Invalid, "no device follows"},
		"an open quote":      {[]byte("id,name\na,\"Hall\nb,x"), fleet.Invalid, "line 2: a quotation mark"},
		"Latin-1":            {[]byte("id,name\na,Gr\xf6\xdfe"), fleet.Invalid, "CSV UTF-8"},
		"a spreadsheet":      {[]byte("PK\x03\x04\x00\x00\x00\x00"), fleet.Invalid, "save the spreadsheet as CSV"},
		"a very long line":   {[]byte("a\n" + strings.Repeat("b", 70_000)), fleet.Invalid, "line 2 is longer than 65536 bytes"},
		"a very long row":    {[]byte("id,notes\na,\"" + strings.Repeat("bbbbbbbbb\n", 7_000) + "\""), fleet.Invalid, "the row in line 2 is longer"},
		"too many":           {[]byte(strings.Repeat("a\n", devicefile.MaxRows+1)), fleet.TooLarge, "an import takes 100000"},
		"too long":           {make([]byte, devicefile.MaxBytes+1), fleet.TooLarge, "split it"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := devicefile.Parse(c.data)
			if !errors.Is(err, c.kind) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %v with %q", err, c.kind, c.want)
			}
			if err != nil && strings.Contains(err.Error(), generated) {
				t.Errorf("the error shows a secret: %v", err)
			}
		})
	}
}

func TestProblemsNameTheirLinesAndNoSecrets(t *testing.T) {
	f, err := devicefile.Parse([]byte("id,secret,extra\na,tooshort!\nb," + secret + ",x,y\nc,more short\nd,ok no good\ne,12345\nf,123456\ng,1234567\n"))
	if err != nil {
		t.Fatal(err)
	}
	got := f.Err().Error()
	for _, want := range []string{"line 2: a secret is 16 to 256 bytes", "line 3: it has 4 columns, the heading has 3", "; and 2 more", "Nothing was imported"} {
		if !strings.Contains(got, want) {
			t.Errorf("got %q, want it to contain %q", got, want)
		}
	}
	for _, cell := range []string{"tooshort!", "more short", secret} {
		if strings.Contains(got, cell) {
			t.Errorf("the error shows the secret %q: %s", cell, got)
		}
	}
	if want := []string{"extra"}; strings.Join(f.Ignored, " ") != want[0] {
		t.Errorf("ignored: got %q, want %q", f.Ignored, want)
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"a\r\nb\n\n", "\ufeffa\n", "a b\n\x00\n\xff", "id,name\na,\"b\n\"", "\r\r\n", "\xff\xfea\x00", "sep=;\nid;x\n1;2"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := devicefile.Parse(bytes.Clone(data))
		if err != nil {
			if !errors.Is(err, fleet.Invalid) && !errors.Is(err, fleet.TooLarge) {
				t.Fatalf("%q: %v", data, err)
			}
			return
		}
		if len(file.Rows) == 0 {
			t.Fatalf("%q: no row and no error", data)
		}
		last := 0
		for _, row := range file.Rows {
			if _, err := fleet.ParseDeviceID(row.Device.ID); row.Problem == "" && (err != nil || row.Device.Check() != nil) || row.Line < last {
				t.Fatalf("%q: line %d, device %+v without a problem", data, row.Line, row.Device)
			}
			last = row.Line
		}
	})
}
