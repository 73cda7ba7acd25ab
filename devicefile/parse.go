package devicefile

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/muster-iot/muster/fleet"
)

// Limits of a file.
const (
	MaxBytes = 8 << 20  // of the whole file
	MaxLine  = 64 << 10 // bytes of a line, or of a row with line ends in quotes
	MaxRows  = 100_000
)

// File is a parsed file.
type File struct {
	Columns []string // of the heading, as Muster calls them; nil if there is no heading
	Ignored []string // headings that mean nothing to Muster, as written
	Rows    []Row
}

// Row is one line: a device to import.
type Row struct {
	Line    int // from 1; the heading counts
	Device  fleet.NewDevice
	Problem string // why it can't be imported, without secrets; "": it can
}

// Problems returns the rows that can't be imported.
func (f *File) Problems() (rows []Row) {
	for _, row := range f.Rows {
		if row.Problem != "" {
			rows = append(rows, row)
		}
	}
	return rows
}

// Devices returns the devices of all rows, also of those with a problem.
func (f *File) Devices() []fleet.NewDevice {
	devices := make([]fleet.NewDevice, len(f.Rows))
	for i, row := range f.Rows {
		devices[i] = row.Device
	}
	return devices
}

// maxNamed bounds the lines that Err names.
const maxNamed = 5

// Err returns an error that names the first rows with a problem, nil if all can be imported.
func (f *File) Err() error {
	rows := f.Problems()
	if len(rows) == 0 {
		return nil
	}
	var said []string
	for _, row := range rows[:min(len(rows), maxNamed)] {
		said = append(said, fmt.Sprintf("line %d: %s", row.Line, row.Problem))
	}
	text := strings.Join(said, "; ")
	if more := len(rows) - maxNamed; more > 0 {
		text += fmt.Sprintf("; and %d more", more)
	}
	return fleet.FieldErrorf("file", "%s. Nothing was imported", text)
}

// Parse reads a file: UTF-8 or UTF-16, with or without a byte order mark; lines that end with LF,
// CRLF or CR; cells separated by commas, semicolons or tabs, quoted as in RFC 4180. A first line
// that has a column for the id is a heading. Without one, the file is a list of ids. A row that
// can't be imported has a Problem. Errors are fleet.Invalid and fleet.TooLarge: the file as a
// whole can't be read, or it is not clear what its columns mean.
func Parse(data []byte) (*File, error) {
	if len(data) > MaxBytes {
		return nil, fleet.Errorf(fleet.TooLarge, "the file is longer than %d bytes: split it", MaxBytes)
	}
	text, err := decode(data)
	if err != nil {
		return nil, err
	}
	text, skipped := trim(text)
	if err := checkLines(text, skipped); err != nil {
		return nil, err
	}
	lines, err := split(text, skipped)
	if err != nil {
		return nil, err
	}
	if len(lines) == 0 {
		return nil, fleet.FieldErrorf("file", "there is no device id in it: write one on each line")
	}
	f := &File{}
	columns, rest, err := f.heading(lines)
	if err != nil {
		return nil, err
	}
	if len(rest) > MaxRows {
		return nil, fleet.Errorf(fleet.TooLarge, "the file has %d devices: an import takes %d, split it", len(rest), MaxRows)
	}
	f.Rows = make([]Row, len(rest))
	seen := make(map[fleet.DeviceID]int, len(rest))
	for i, l := range rest {
		f.Rows[i] = columns.row(l, seen)
	}
	return f, nil
}

// line is the cells of a line, without empty ones at its end.
type line struct {
	number int
	cells  []string
}

// trim drops empty lines at the start, and the line "sep=;" that spreadsheets write there, and
// counts them.
func trim(text string) (rest string, lines int) {
	for {
		first, after, more := strings.Cut(text, "\n")
		word := strings.TrimSpace(strings.Trim(strings.TrimSpace(first), `"`))
		if isSep := len(word) == 5 && strings.EqualFold(word[:4], "sep="); !more || word != "" && !isSep {
			return text, lines
		}
		text, lines = after, lines+1
	}
}

// checkLines rejects lines that are too long, which are most likely no list at all.
func checkLines(text string, number int) error {
	for l := range strings.Lines(text) {
		if number++; len(l) > MaxLine {
			return fleet.FieldErrorf("file", "line %d is longer than %d bytes: is this a list of devices?", number, MaxLine)
		}
	}
	return nil
}

// separator returns the character between the cells of the first line: the one that occurs most
// outside of quotes, a comma if none does.
func separator(text string) rune {
	first, _, _ := strings.Cut(text, "\n")
	counts, quoted := map[rune]int{}, false
	for _, c := range first {
		switch {
		case c == '"':
			quoted = !quoted
		case !quoted && strings.ContainsRune(",;\t", c):
			counts[c]++
		}
	}
	best := ','
	for _, c := range "\t;" {
		if counts[c] > counts[best] {
			best = c
		}
	}
	return best
}

// split splits text, which follows skipped lines, into lines that are not empty.
func split(text string, skipped int) (lines []line, err error) {
	sep := separator(text)
	r := csv.NewReader(strings.NewReader(text))
	r.Comma, r.FieldsPerRecord, r.TrimLeadingSpace = sep, -1, sep != '\t'
	for {
		cells, err := r.Read()
		if errors.Is(err, io.EOF) {
			return lines, nil
		}
		var wrong *csv.ParseError
		if errors.As(err, &wrong) {
			return nil, fleet.FieldErrorf("file", "line %d: a quotation mark is not closed, or stands inside of a value. Put the whole value in quotation marks and double those in it", wrong.StartLine+skipped)
		}
		if err != nil {
			return nil, err
		}
		number, _ := r.FieldPos(0)
		size := 0
		for i, cell := range cells {
			size += len(cell)
			cells[i] = strings.TrimSpace(cell)
		}
		if size > MaxLine {
			return nil, fleet.FieldErrorf("file", "the row in line %d is longer than %d bytes: is a quotation mark left open?", number+skipped, MaxLine)
		}
		for len(cells) > 0 && cells[len(cells)-1] == "" {
			cells = cells[:len(cells)-1]
		}
		if len(cells) > 0 {
			lines = append(lines, line{number + skipped, cells})
		}
	}
}
