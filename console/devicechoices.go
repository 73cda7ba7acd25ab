package console

import (
	"html/template"
	"slices"
	"strconv"

	"github.com/muster-iot/muster/filter"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/humane"
	"github.com/muster-iot/muster/wire"
)

// option is a value of a filter, or a column.
type option struct{ Value, Text string }

// columns are the columns that a list of devices may have beyond those it always has.
var columns = []option{
	{"kind", "Kind"}, {"hardware", "Hardware"}, {"heard", "Last heard"}, {"update", "Last update"}, {"reason", "Reason"}, {"facts", "Facts"},
}

// Columns are the columns chosen, in their order.
func (f deviceFilter) Columns() []option {
	return slices.DeleteFunc(slices.Clone(columns), func(c option) bool { return !f.Shows(c.Value) })
}

// Shows reports whether a column is chosen.
func (f deviceFilter) Shows(column string) bool { return slices.Contains(f.Cols, column) }

// silences are the spans of silence to choose from, in days.
var silences = []int{2, 7, 30, 90}

// deviceChoices are the values that the filter of a list of devices offers.
type deviceChoices struct {
	Versions, Updates, Reasons, Concerns, Silent, Kinds, Columns []option
	Yes                                                          []yesNo
}

// yesNo is a filter with two values.
type yesNo struct {
	Name, Text, Is string
	Of             []option
}

// Choices are what the filter offers.
func (l deviceList) Choices() (c deviceChoices) {
	for _, v := range l.Versions {
		c.Versions = append(c.Versions, option{v.String(), v.String()})
	}
	c.Versions = append(c.Versions, option{filter.NoVersion, "unknown"})
	for _, u := range filter.UpdateChoices {
		c.Updates = append(c.Updates, option{u.Value, u.Text})
	}
	for code := wire.ReasonNone + 1; code <= wire.ReasonOther; code++ {
		if wire.KnownReason(code) {
			c.Reasons = append(c.Reasons, option{strconv.Itoa(int(code)), wire.ReasonText(code)})
		}
	}
	for _, concern := range fleet.Concerns {
		c.Concerns = append(c.Concerns, option{string(concern), concernText(concern)})
	}
	for _, days := range silences {
		c.Silent = append(c.Silent, option{strconv.Itoa(days), humane.Count(days, "day") + " or more"})
	}
	for _, k := range filter.Kinds {
		c.Kinds = append(c.Kinds, option{k.String(), k.String()})
	}
	c.Columns = columns
	f := l.Filter
	c.Yes = []yesNo{
		{"online", "Connection", f.Online, []option{{"yes", "online"}, {"no", "offline"}}},
		{"locked", "Lock", f.Locked, []option{{"yes", "locked"}, {"no", "not locked"}}},
		{"development", "Development", f.Development, []option{{"yes", "development"}, {"no", "not development"}}},
	}
	return c
}

// chip is a part of the filter that is in effect.
type chip struct {
	Text    string
	Without template.URL // query of the list without it
}

// Active are the parts of the filter that are in effect.
func (l deviceList) Active() (chips []chip) {
	f := l.Filter
	for _, part := range f.parts() {
		q := f.values()
		for _, name := range part.names {
			q.Del(name)
		}
		chips = append(chips, chip{part.text, encoded(q)})
	}
	return chips
}
