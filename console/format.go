package console

import (
	"fmt"
	"html/template"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/muster-iot/muster/filter"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/humane"
	"github.com/muster-iot/muster/ota/precedence"
	"github.com/muster-iot/muster/ota/remaining"
	"github.com/muster-iot/muster/wire"
)

// functions are available in templates.
var functions = template.FuncMap{
	"ago": ago, "stamp": stamp, "clock": func(t time.Time) string { return t.UTC().Format("15:04:05") }, "iso": func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
	"bytes": humane.Size, "num": humane.Number, "plural": humane.Count, "act": act, "version": version, "because": because,
	"reasonCode": wire.ReasonText, "payload": payload, "color": color, "path": url.PathEscape, "query": query,
	"short": func(d fleet.Digest) string { return d.String()[:12] },
	"join":  func(list []string) string { return join(list, ", ") },
	"sub":   func(a, b int) int { return a - b }, "add": func(a, b int) int { return a + b },
	"dict": dict, "list": func(texts ...string) []string { return texts }, "pairs": pairs, "sortings": func() []sorting { return sortings }, "outcomes": func() []filter.UpdateChoice { return filter.UpdateChoices }, "wrong": wrong, "detail": detail, "roles": roles, "outcome": outcome, "words": words, "blocked": remaining.Text, "concern": func(c any) string { return concernText(fleet.Concern(fmt.Sprint(c))) }, "reasonText": reasonText, "json": wire.JSON, "mood": mood, "span": span, "lasting": humane.Lasting, "holds": holds, "facts": factRows, "presets": func() []preset { return presets },
	"releaseMood": releaseMood,
	"safe":        func(address string) template.URL { return template.URL(address) }, //nolint:gosec // of this server, with escaped values
}

func join(list []string, by string) string { return strings.Join(list, by) }

// query escapes a value for the query of an address, once: html/template would escape a string
// again.
func query(value any) template.URL {
	return template.URL(url.QueryEscape(fmt.Sprint(value))) //nolint:gosec // escaped
}

// encoded marks a whole query as escaped; templates would escape a string as one value.
func encoded(values url.Values) template.URL {
	return template.URL(values.Encode()) //nolint:gosec // escaped
}

// ago formats how long ago t was.
func ago(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return humane.Ago(time.Since(t))
}

// span formats the time between two moments.
func span(from, to time.Time) string { return humane.Span(to.Sub(from)) }

func stamp(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.UTC().Format("2006-01-02 15:04:05") + " UTC"
}

// act makes a form post to path, with htmx if scripts run: errors then appear in the form and
// its fields keep their values.
func act(path string) template.HTMLAttr {
	to := template.HTMLEscapeString(path)
	return template.HTMLAttr(`method="post" action="` + to + `" hx-post="` + to +
		`" hx-target="find .problem" hx-swap="innerHTML" hx-disabled-elt="find button" hx-disinherit="*"`) //nolint:gosec // escaped above
}

func version(v fleet.Version) string {
	if v.IsZero() {
		return "–"
	}
	return v.String()
}

// because describes the rule that gave a device its target.
func because(r fleet.Reason) string {
	switch r {
	case fleet.BecauseDevelopment:
		return "Development device: not updated automatically"
	case fleet.BecauseLock:
		return "Locked to this version"
	case fleet.BecauseGroup:
		return "Released to one of its groups"
	case fleet.BecauseDefault:
		return "Product default"
	}
	return "Nothing is released for it"
}

// outcome returns the CSS class for the outcome of a step of the trace.
func outcome(s precedence.Step) string {
	if s.Rule == precedence.RuleUpdate {
		return mood(s.State)
	}
	switch s.Outcome {
	case precedence.Applies, precedence.Wins, precedence.Passes, precedence.Same, precedence.Free, precedence.HasSlot:
		return "good"
	case precedence.HoldsBack, precedence.Refused, precedence.NoneFree, precedence.Waits:
		return "bad"
	case precedence.Differs, precedence.Awaited:
		return "live"
	}
	return "quiet"
}

// mood returns the CSS class for an update's state.
func mood(s fleet.UpdateState) string {
	switch {
	case s.Running():
		return "live"
	case s == fleet.Confirmed:
		return "good"
	case s == fleet.Superseded, s == fleet.NoUpdate:
		return "quiet"
	}
	return "bad"
}

// words formats an identifier: "rolled_back" as "rolled back".
func words(s any) string { return strings.ReplaceAll(fmt.Sprint(s), "_", " ") }

// cooling is a sentence about devices that wait after a failed attempt.
func cooling(c fleet.Cooling) string {
	wait := " wait after a failed attempt, the last until "
	if c.Devices == 1 {
		wait = " waits after a failed attempt, until "
	}
	return humane.Count(c.Devices, "device") + wait + stamp(c.Until) + "; a retry of the update ends that."
}

// payload formats a device's message: text as it is, other bytes in hex.
func payload(data []byte) string {
	const enough = 2000 // bytes shown
	cut := ""
	if len(data) > enough {
		cut = fmt.Sprintf(" … of %s", humane.Size(int64(len(data))))
		data = data[:enough]
	}
	if text := string(data); utf8.ValidString(text) && strings.IndexFunc(text, hidden) < 0 {
		return text + cut
	}
	return fmt.Sprintf("%x", data) + cut
}

func hidden(r rune) bool { return !unicode.IsPrint(r) && !unicode.IsSpace(r) }

// color returns a group's color, or a neutral one.
func color(c string) string {
	if len(c) == 7 && c[0] == '#' {
		return c
	}
	return "#7a8794"
}

// pairs makes options of values and their texts in turn.
func pairs(texts []string) (options []option) {
	for some := range slices.Chunk(texts, 2) {
		options = append(options, option{some[0], some[1]})
	}
	return options
}

// dict passes several values to a template.
func dict(pairs ...any) (map[string]any, error) {
	if len(pairs)%2 != 0 {
		return nil, fmt.Errorf("dict: a key has no value")
	}
	m := make(map[string]any, len(pairs)/2)
	for i := 0; i < len(pairs); i += 2 {
		m[fmt.Sprint(pairs[i])] = pairs[i+1]
	}
	return m, nil
}

// roles are the roles the user may give. deny is why they may not give the admin role, "" if
// they may.
func roles(deny string) []string {
	if deny != "" {
		return []string{fleet.Editor.String(), fleet.Viewer.String()}
	}
	return []string{fleet.Admin.String(), fleet.Editor.String(), fleet.Viewer.String()}
}
