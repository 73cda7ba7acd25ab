package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/muster-iot/muster/humane"
)

// show answers with v: as one line of JSON where --json asks for it, else as draw puts
// it into a table.
func (r remote) show(v any, draw func(t *table)) error {
	if r.JSON {
		out := json.NewEncoder(os.Stdout)
		out.SetEscapeHTML(false)
		return out.Encode(v)
	}
	t := newTable(os.Stdout)
	draw(t)
	return t.flush()
}

// hint says beside a list of no rows what there is to do next.
func (r remote) hint(rows int, format string, args ...any) {
	if rows == 0 && !r.JSON {
		note(format, args...)
	}
}

// done answers a change that has no more to tell than that it happened.
func (r remote) done(format string, args ...any) error {
	return r.show(map[string]bool{"ok": true}, func(t *table) { t.line(format, args...) })
}

// note tells a person something beside the answer.
func note(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
}

// table is rows of aligned cells.
type table struct{ out *tabwriter.Writer }

func newTable(out io.Writer) *table {
	return &table{tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)}
}

func (t *table) row(cells ...any) {
	texts := make([]string, len(cells))
	for i, c := range cells {
		texts[i] = cell(c)
	}
	// The last cell needs no padding: it would only be trailing space.
	fmt.Fprintln(t.out, strings.TrimRight(strings.Join(texts, "\t"), "\t"))
}

func (t *table) line(format string, args ...any) {
	fmt.Fprintln(t.out, clean(fmt.Sprintf(format, args...)))
}

func (t *table) flush() error { return t.out.Flush() }

// cell is v in few words; what is empty shows as "-".
func cell(v any) string {
	text := ""
	switch v := v.(type) {
	case bool:
		text = map[bool]string{true: "yes", false: "no"}[v]
	case []string:
		text = strings.Join(v, ", ")
	case *time.Time:
		if v != nil {
			text = humane.Ago(time.Since(*v))
		}
	case time.Time:
		text = humane.Ago(time.Since(v))
	default:
		text = fmt.Sprint(v)
	}
	if text == "" {
		return "-"
	}
	return clean(text)
}

// clean replaces what a terminal would obey instead of showing: names, messages and
// versions come from devices, which may be anybody's.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '·'
	}, text)
}

// clip is text cut to at most n letters.
func clip(text string, n int) string {
	runes := []rune(text)
	if len(runes) <= n {
		return text
	}
	return string(runes[:n-1]) + "…"
}
