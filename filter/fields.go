package filter

import (
	"net/url"
	"slices"
	"strings"

	"github.com/muster-iot/muster/fleet"
)

// Values of fields that can't be a version or a cause.
const (
	NoVersion = "none"
	AnyCause  = "any"
)

// Fields are what a filter asks for; "" and none: anything.
type Fields struct {
	Search, Version, Online, Development, Locked string
	Update                                       string // the last update: the Value of one of UpdateChoices
	To                                           string // target version of the last update
	NoGroup                                      string // "yes": in no group
	Concern                                      string // a fleet.Concern
	Left, Target                                 string // why it does not run its target yet, and which target
	Release, Part, Cause                         string // id of a release with a plan, what it did with devices, and why they wait
	Reason                                       string // code of why the last update failed
	Fact                                         string // NAME=VALUE that devices reported
	Silent                                       string // days since it was there
	Kind                                         string // of device
	Alert                                        string // name of an active alert
	Groups                                       []string
}

// names are the fields of a query but for "group", which may be repeated.
func (f *Fields) names() map[string]*string {
	return map[string]*string{
		"q": &f.Search, "version": &f.Version, "online": &f.Online, "development": &f.Development, "locked": &f.Locked, "update": &f.Update,
		"to": &f.To, "nogroup": &f.NoGroup, "concern": &f.Concern, "left": &f.Left, "target": &f.Target, "release": &f.Release, "part": &f.Part,
		"cause": &f.Cause, "reason": &f.Reason, "fact": &f.Fact, "silent": &f.Silent, "kind": &f.Kind, "alert": &f.Alert,
	}
}

// Read reads the fields of a query. It leaves out what is not a filter field.
func Read(q url.Values) (f Fields) {
	for name, field := range f.names() {
		*field = strings.TrimSpace(q.Get(name))
	}
	for _, name := range q["group"] {
		if name = strings.TrimSpace(name); name != "" && !slices.Contains(f.Groups, name) {
			f.Groups = append(f.Groups, name)
		}
	}
	return f
}

// Parse reads a query such as "group=beta&online=yes", in which every field must be a filter's.
func Parse(query string) (Fields, error) {
	q, err := url.ParseQuery(strings.TrimPrefix(query, "?"))
	if err != nil {
		return Fields{}, fleet.FieldErrorf("query", "query %.80q can't be read: write it as in the address of the list of devices: group=beta&online=yes", query)
	}
	f := Read(q)
	for name := range q {
		if f.names()[name] == nil && name != "group" {
			return f, fleet.FieldErrorf("query", "query: a filter has no field %.40q: use q, group, nogroup, version, online, locked, development, update, to, reason, concern, silent, kind, fact or alert", name)
		}
	}
	return f, nil
}

// Values returns the fields that are set.
func (f Fields) Values() url.Values {
	q := url.Values{}
	for name, field := range f.names() {
		if *field != "" {
			q.Set(name, *field)
		}
	}
	for _, g := range f.Groups {
		q.Add("group", g)
	}
	return q
}

// String is the query that Parse reads.
func (f Fields) String() string { return f.Values().Encode() }

// Groups of states of an update.
var (
	UnderWay = []fleet.UpdateState{fleet.Offered, fleet.Downloading, fleet.Stored, fleet.Applying}
	WentBad  = []fleet.UpdateState{fleet.RolledBack, fleet.Failed, fleet.Stopped}
)

// UpdateChoice is a choice about the last update.
type UpdateChoice struct {
	Value, Text string
	States      []fleet.UpdateState
}

// UpdateChoices are groups of states, then each state.
var UpdateChoices = func() []UpdateChoice {
	all := []UpdateChoice{{"running", "in progress", UnderWay}, {"receiving", "receiving", fleet.Stoppable}, {"wrong", "not successful", WentBad}}
	for state := fleet.Offered; state <= fleet.Stopped; state++ {
		all = append(all, UpdateChoice{state.String(), strings.ReplaceAll(state.String(), "_", " "), []fleet.UpdateState{state}})
	}
	return all
}()

// UpdateChoiceOf returns the choice with this value.
func UpdateChoiceOf(value string) (UpdateChoice, error) {
	if i := slices.IndexFunc(UpdateChoices, func(o UpdateChoice) bool { return o.Value == value }); i >= 0 {
		return UpdateChoices[i], nil
	}
	return UpdateChoice{}, fleet.FieldErrorf("update", "no such state of an update: %.40s", value)
}

// Kinds are the kinds of devices by what a filter calls them.
var Kinds = []fleet.DeviceKind{fleet.Generic, fleet.Gateway, fleet.BLE}

func kindNamed(text string) (fleet.DeviceKind, error) {
	for _, k := range Kinds {
		if k.String() == text {
			return k, nil
		}
	}
	return 0, fleet.FieldErrorf("kind", "no such kind of device: %.40s", text)
}

// choice reads yes, no, or nothing for either. A field that can't be read never selects more than was
// meant.
func choice(field, text string) (*bool, error) {
	switch text {
	case "":
		return nil, nil
	case "yes":
		return new(true), nil
	case "no":
		return new(false), nil
	}
	return nil, fleet.FieldErrorf(field, "%s is yes or no, not %.20q", field, text)
}
