package console

import (
	"cmp"
	"html/template"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/muster-iot/muster/filter"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/ota/remaining"
	"github.com/muster-iot/muster/wire"
)

// everyProduct is a value of the filter that can't be a product's slug.
const everyProduct = "*"

// deviceFilter is the filter form of the list of devices, and how the list is shown.
type deviceFilter struct {
	filter.Fields
	Sort, By string
	Product  string   // slug to switch to, everyProduct, or "" for the one in the path
	Cols     []string // further columns
	After    string
	From     int // number of rows before this page
}

func (v *visit) deviceFilter() deviceFilter {
	_ = v.text("q") // parses the form
	f := deviceFilter{
		Fields: filter.Read(v.r.Form), Sort: v.text("sort"), By: v.text("by"), Product: v.text("product"), Cols: v.names("col"), After: v.text("after"),
	}
	f.From, _ = strconv.Atoi(v.text("from")) // the first page if it is not a number
	f.From = max(f.From, 0)
	return f
}

// values returns the fields that are set, without product and position.
func (f deviceFilter) values() url.Values {
	q := f.Values()
	for name, text := range map[string]string{"sort": f.Sort, "by": f.By} {
		if text != "" {
			q.Set(name, text)
		}
	}
	for _, c := range f.Cols {
		q.Add("col", c)
	}
	return q
}

// Hidden returns the values for hidden fields of another form.
func (f deviceFilter) Hidden() url.Values { return f.values() }

// with returns the query of the list with one field changed.
func (f deviceFilter) with(name, value string) template.URL {
	q := f.values()
	q.Set(name, value)
	return encoded(q)
}

// SortBy returns the query that sorts by a column, reversed if the list is sorted by it.
func (f deviceFilter) SortBy(column string) template.URL {
	if cmp.Or(f.Sort, "id") == column {
		column = "-" + column
	}
	return f.with("sort", column)
}

// Direction returns the value of aria-sort for a column, "" if the list is not sorted by it.
func (f deviceFilter) Direction(column string) string {
	switch cmp.Or(f.Sort, "id") {
	case column:
		return "ascending"
	case "-" + column:
		return "descending"
	}
	return ""
}

// part is a part of the filter in words, and the fields that make it.
type part struct {
	text  string
	names []string
}

// parts are the parts of the filter that are in effect.
func (f deviceFilter) parts() (parts []part) {
	say := func(when bool, text string, names ...string) {
		if when {
			parts = append(parts, part{text, names})
		}
	}
	say(f.Search != "", "“"+f.Search+"” in the id, name or notes", "q")
	say(f.Concern != "", concernText(fleet.Concern(f.Concern)), "concern")
	say(f.Left != "", f.Remaining(), "left", "target")
	say(f.Release != "", f.Staged(), "release", "part", "cause")
	say(f.Reason != "", "failed: "+reasonText(f.Reason), "reason")
	say(len(f.Groups) > 0, "in "+strings.Join(f.Groups, " or "), "group")
	say(f.NoGroup != "", "in no group", "nogroup")
	say(f.Version == filter.NoVersion, "without a version", "version")
	say(f.Version != "" && f.Version != filter.NoVersion, "running "+f.Version, "version")
	for _, c := range []struct{ name, choice, yes, no string }{
		{"online", f.Online, "online", "offline"}, {"locked", f.Locked, "locked", "not locked"},
		{"development", f.Development, "development devices", "not development devices"},
	} {
		say(c.choice == "yes", c.yes, c.name)
		say(c.choice == "no", c.no, c.name)
	}
	say(f.Update != "" || f.To != "", f.Outcome(), "update", "to")
	say(f.Silent != "", "silent for "+f.Silent+" days", "silent")
	say(f.Alert != "", "with the alert "+words(f.Alert), "alert")
	say(f.Kind != "", "kind: "+f.Kind, "kind")
	say(f.Fact != "", "reported "+f.Fact, "fact")
	return parts
}

// Words describes the filter.
func (f deviceFilter) Words() string {
	var words []string
	for _, p := range f.parts() {
		words = append(words, p.text)
	}
	return strings.Join(words, ", ")
}

// Outcome describes what the filter selects about the last update.
func (f deviceFilter) Outcome() string {
	text := "last update"
	if f.To != "" {
		text += " to version " + f.To
	}
	if c, err := filter.UpdateChoiceOf(f.Update); err == nil {
		text += ": " + c.Text
	}
	return text
}

// Staged describes what the filter selects of a release with a plan.
func (f deviceFilter) Staged() string {
	text := "release " + f.Release + ": " + f.Part
	if f.Cause != "" {
		text += ", " + remaining.Text(f.Cause)
	}
	return text
}

// Remaining describes what the filter selects of devices that don't run their target yet.
func (f deviceFilter) Remaining() string {
	text := "still to update"
	if f.Target != "" {
		text += " to version " + f.Target
	}
	if f.Left != filter.AnyCause {
		text += ": " + remaining.Text(f.Left)
	}
	return text
}

// Has reports whether the filter includes this group.
func (f deviceFilter) Has(group string) bool { return slices.Contains(f.Groups, group) }

// reasonText returns what the reason code in a filter means.
func reasonText(code string) string {
	n, err := strconv.ParseUint(code, 10, 16)
	if err != nil {
		return code
	}
	return wire.ReasonText(fleet.ReasonCode(n))
}

// sorting is an order of the list.
type sorting struct{ Value, Text string }

var sortings = []sorting{
	{"", "id"}, {"-id", "id, descending"}, {"name", "name"}, {"-name", "name, descending"},
	{"version", "version"}, {"-version", "version, highest first"}, {"handshake", "handshake, oldest first"}, {"-handshake", "handshake, latest first"},
}
