package cli

// Output rules, for every verb:
//
//   - Standard output carries the answer and nothing else: a table for people, or with
//     --json one line of JSON in the shapes of the REST API.
//   - With --json a list is an array even if empty, and a verb with nothing to report
//     prints {"ok":true}.
//   - Everything else goes to standard error: impact, questions, progress, hints on what to
//     do next when a list is empty, and errors.
//   - A list that --limit cuts short is followed by a note that says so.
//   - Text from devices and users goes through terminal.Clean before it reaches a terminal.
//   - Verbs that move firmware, delete something or revoke a secret show what is affected
//     and ask first (confirm). Without a terminal they change nothing unless given --yes.
//   - Verbs for several ids carry on after a failure and exit with 1 if any failed.
//   - Exit codes are in docs/cli.md.

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/cli/terminal"
	"github.com/muster-iot/muster/humane"
)

// show prints v as one line of JSON if --json is set, otherwise the table that draw fills.
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

// done confirms a change that returns nothing, or returns its error.
func (r remote) done(err error, format string, args ...any) error {
	if err != nil {
		return err
	}
	return r.show(map[string]bool{"ok": true}, func(t *table) { t.line(format, args...) })
}

// note prints to stderr.
func note(format string, args ...any) {
	fmt.Fprintln(os.Stderr, terminal.Clean(fmt.Sprintf(format, args...)))
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
	// The last cell needs no padding, which would be trailing space.
	fmt.Fprintln(t.out, strings.TrimRight(strings.Join(texts, "\t"), "\t"))
}

func (t *table) line(format string, args ...any) {
	fmt.Fprintln(t.out, terminal.Clean(fmt.Sprintf(format, args...)))
}

// hint prints a next step to stderr when a list is empty; not with --json, which draws no
// table.
func (t *table) hint(rows int, format string, args ...any) {
	if rows == 0 {
		note(format, args...)
	}
}

func (t *table) flush() error { return t.out.Flush() }

// cell is v as a table cell, "-" for an empty one.
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
	return terminal.Clean(text)
}

// clip cuts text to at most n letters.
func clip(text string, n int) string {
	runes := []rune(text)
	if len(runes) <= n {
		return text
	}
	return string(runes[:n-1]) + "…"
}

// clipIDs lists ids for a question or a note.
func clipIDs(ids []string) string { return clip(strings.Join(ids, " "), 200) }

// upTo collects pages up to limit rows, or all if limit is 0, and prints a note if there
// are more.
func upTo[T any](limit int, page func(after string, rows int) (api.Page[T], error)) ([]T, error) {
	const most = 100 // rows of one page
	all := []T{}
	for after := ""; ; {
		rows := most
		if limit > 0 {
			rows = min(most, limit-len(all))
		}
		got, err := page(after, rows)
		if err != nil {
			return nil, err
		}
		all = append(all, got.Items...)
		after = got.Next
		if after == "" {
			return all, nil
		}
		if limit > 0 && len(all) >= limit {
			note("There are more; --limit shows them.")
			return all, nil
		}
	}
}
