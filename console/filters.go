package console

import (
	"html/template"
	"net/url"

	"github.com/muster-iot/muster/filter"
)

// filterPages save filters of the list of devices for the team.
type filterPages struct{ *visit }

// saving is what the list of devices shows of saved filters.
type saving struct {
	Saved []filter.Saved
	Is    string // name of the one in effect, "" if none is
}

// Query is the query of the list with a saved filter.
func (saving) Query(f filter.Saved) template.URL {
	q, _ := url.ParseQuery(f.Query) // what can't be read selects nothing further
	return encoded(q)
}

// saving reads the saved filters of the product, or, without one, of the team.
func (v listPages) saving(f deviceFilter) (s saving, err error) {
	s.Saved, err = v.filters.List(v.ctx(), v.actor, v.product.ID)
	for _, one := range s.Saved {
		if one.Query == f.Fields.String() {
			s.Is = one.Name
		}
	}
	return s, err
}

// list is the path of the list of devices: of the product, or, without one, of the team.
func (v filterPages) list() string {
	if v.product.ID == 0 {
		return "/devices"
	}
	return v.at("/devices")
}

func (v filterPages) save() error {
	f := v.deviceFilter()
	saved, err := v.filters.Save(v.ctx(), v.actor, v.product.ID, v.text("name"), f.Fields)
	return v.after(err, v.list()+"?"+f.values().Encode(), "Saved the filter "+saved.Name+" for the team.")
}

func (v filterPages) remove() error {
	name := v.text("name")
	return v.after(v.filters.Delete(v.ctx(), v.actor, v.product.ID, name), v.list(), "Deleted the filter "+name+".")
}
