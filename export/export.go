package export

import (
	"encoding/csv"
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/muster-iot/muster/fleet"
)

// Format is how rows are written.
type Format string

// The formats.
const (
	CSV   Format = "csv"   // RFC 4180, with a heading, in UTF-8
	JSONL Format = "jsonl" // an object per line
)

// ParseFormat parses a format; "" is CSV.
func ParseFormat(text string) (Format, error) {
	switch f := Format(text); f {
	case "":
		return CSV, nil
	case CSV, JSONL:
		return f, nil
	}
	return "", fleet.FieldErrorf("format", "%.40q: use csv or jsonl", text)
}

// PageSize is how many rows a page should have.
const PageSize = 100

// Page returns the rows after a cursor, "" for the first, and the cursor of the next page, "" after
// the last. A page may be empty without being the last.
type Page[T any] func(after string) (rows []T, next string, err error)

// List is a list about to be written. Its first page was read without an error.
type List struct {
	name   string
	format Format
	write  func(w io.Writer, flush func()) error
}

// File is a name for the file.
func (s *List) File() string { return "muster-" + s.name + "." + string(s.format) }

// Serve answers with the list as a file. An error on the way breaks the connection off, by
// http.ErrAbortHandler: the status is sent by then, and a list that ends early must not look whole.
func (s *List) Serve(w http.ResponseWriter) {
	w.Header().Set("Content-Type", s.mediaType())
	w.Header().Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": s.File()}))
	control := http.NewResponseController(w)
	if s.Write(w, func() { _ = control.Flush() }) != nil { // a client that has gone is noticed by the next write
		panic(http.ErrAbortHandler)
	}
}

func (s *List) mediaType() string {
	if s.format == CSV {
		return "text/csv; charset=utf-8; header=present"
	}
	return "application/jsonl"
}

// Write writes all rows and calls flush after each page. After an error, what was written is not
// all of the list.
func (s *List) Write(w io.Writer, flush func()) error { return s.write(w, flush) }

// column is one value of a row: a string, bool, int, int64, time.Time, []string or json.RawMessage.
type column[T any] struct {
	name  string
	value func(*T) any
}

// open reads the first page of a list.
func open[T any](name string, format Format, columns []column[T], page Page[T]) (*List, error) {
	rows, next, err := page("")
	if err != nil {
		return nil, err
	}
	return &List{name: name, format: format, write: func(w io.Writer, flush func()) error {
		out := newEncoder(w, format, columns)
		for {
			for i := range rows {
				if err := out.row(&rows[i]); err != nil {
					return err
				}
			}
			if err := out.end(); err != nil {
				return err
			}
			flush()
			if next == "" {
				return nil
			}
			if rows, next, err = page(next); err != nil {
				return err
			}
		}
	}}, nil
}

// encoder writes rows in one of the formats.
type encoder[T any] struct {
	columns []column[T]
	csv     *csv.Writer // nil: JSON lines
	out     io.Writer
	cells   []string
	line    []byte
	err     error
}

func newEncoder[T any](w io.Writer, format Format, columns []column[T]) *encoder[T] {
	e := &encoder[T]{columns: columns, out: w, cells: make([]string, len(columns))}
	if format == CSV {
		e.csv = csv.NewWriter(w)
		for i, c := range columns {
			e.cells[i] = c.name
		}
		e.err = e.csv.Write(e.cells)
	}
	return e
}

func (e *encoder[T]) row(r *T) error {
	if e.err != nil {
		return e.err
	}
	if e.csv != nil {
		for i, c := range e.columns {
			e.cells[i] = cell(c.value(r))
		}
		e.err = e.csv.Write(e.cells)
		return e.err
	}
	e.line = append(e.line[:0], '{')
	for i, c := range e.columns {
		if i > 0 {
			e.line = append(e.line, ',')
		}
		e.line = append(strconv.AppendQuote(e.line, c.name), ':')
		e.line = append(e.line, object(c.value(r))...)
	}
	_, e.err = e.out.Write(append(e.line, '}', '\n'))
	return e.err
}

func (e *encoder[T]) end() error {
	if e.csv != nil && e.err == nil {
		e.csv.Flush()
		e.err = e.csv.Error()
	}
	return e.err
}

// cell is a value in CSV.
func cell(value any) string {
	switch v := value.(type) {
	case string:
		return harmless(v)
	case []string:
		return harmless(strings.Join(v, " "))
	case json.RawMessage:
		return harmless(string(v))
	case bool:
		return strconv.FormatBool(v)
	case int:
		return strconv.Itoa(v)
	case int64:
		return strconv.FormatInt(v, 10)
	case time.Time:
		if v.IsZero() {
			return ""
		}
		return v.UTC().Format(time.RFC3339Nano)
	}
	return ""
}

// harmless is text that spreadsheets don't take for a formula, which could send other cells
// elsewhere: it gets an apostrophe in front (OWASP, "CSV Injection").
func harmless(text string) string {
	if text != "" && strings.ContainsRune("=+-@\t\r\n", rune(text[0])) {
		return "'" + text
	}
	return text
}

// object is a value in JSON.
func object(value any) []byte {
	switch v := value.(type) {
	case time.Time:
		if v.IsZero() {
			return []byte("null")
		}
		value = v.UTC()
	case json.RawMessage:
		if len(v) == 0 {
			return []byte("null")
		}
	case []string:
		if v == nil {
			return []byte("[]")
		}
	}
	text, err := json.Marshal(value)
	if err != nil { // JSON that a device sent, say
		text, _ = json.Marshal(err.Error())
	}
	return text
}
