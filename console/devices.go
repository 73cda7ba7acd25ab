package console

import (
	"net/url"
	"slices"
	"strconv"

	"github.com/muster-iot/muster/fleet"
)

const (
	rowsPerPage = 50
	maxSkip     = 10_000 // rows that paging by number reaches
	sectionRows = 8      // rows of each section of a grouped list
	maxSections = 40
)

// deviceList is the page of a product's devices.
type deviceList struct {
	Filter   deviceFilter
	Groups   []fleet.GroupView
	Versions []fleet.Released
	Page     fleet.DeviceViews
	ByName   bool // nothing matched by id, so names were searched
	Sections []section
	From, To int
	Previous string // queries of other pages, "" for none
	Next     string
	Filtered bool
}

// section is a part of a list grouped by group or version.
type section struct {
	Title, Color, Query string
	Page                fleet.DeviceViews
}

// deviceFilter is the list's form.
type deviceFilter struct {
	Search, Version, Online, Development, Locked, Sort, By string
	Groups                                                 []string
	After                                                  string
	From                                                   int // rows before this page
}

func (v *visit) deviceFilter() deviceFilter {
	f := deviceFilter{
		Search: v.text("q"), Version: v.text("version"), Online: v.text("online"), Development: v.text("development"),
		Locked: v.text("locked"), Sort: v.text("sort"), By: v.text("by"), After: v.text("after"),
	}
	f.From, _ = strconv.Atoi(v.text("from")) // what is no number is the first page
	f.From = max(f.From, 0)
	for _, g := range v.r.Form["group"] {
		if g != "" {
			f.Groups = append(f.Groups, g)
		}
	}
	return f
}

// values is the form's fields that are set, without the position.
func (f deviceFilter) values() url.Values {
	q := url.Values{}
	for name, text := range map[string]string{"q": f.Search, "version": f.Version, "online": f.Online,
		"development": f.Development, "locked": f.Locked, "sort": f.Sort, "by": f.By} {
		if text != "" {
			q.Set(name, text)
		}
	}
	for _, g := range f.Groups {
		q.Add("group", g)
	}
	return q
}

// with is the query of the list with one field changed.
func (f deviceFilter) with(name, value string) string {
	q := f.values()
	q.Set(name, value)
	return q.Encode()
}

// Has reports whether the filter names this group.
func (f deviceFilter) Has(group string) bool { return slices.Contains(f.Groups, group) }

// SortBy is the query that sorts by a column, the other way round where it does already.
func (f deviceFilter) SortBy(column string) string {
	if f.Sort == column {
		column = "-" + column
	}
	return f.with("sort", column)
}

var sorts = map[string]fleet.DeviceSort{"": fleet.ByID, "id": fleet.ByID, "name": fleet.ByName, "version": fleet.ByVersion, "handshake": fleet.ByLastHandshake}

// query asks for what the form says; groups the actor does not see are not found.
func (v *visit) query(f deviceFilter, groups []fleet.GroupView) (fleet.DeviceQuery, error) {
	q := fleet.DeviceQuery{Actor: v.actor, Product: v.product.ID, IDPart: f.Search, After: f.After, Limit: rowsPerPage}
	sort := f.Sort
	if sort != "" && sort[0] == '-' {
		q.Descending, sort = true, sort[1:]
	}
	q.Sort = sorts[sort]
	for _, name := range f.Groups {
		i := slices.IndexFunc(groups, func(g fleet.GroupView) bool { return g.Name == name })
		if i < 0 {
			return q, fleet.FieldErrorf("group", "no such group: %.80s", name)
		}
		q.Groups = append(q.Groups, groups[i].ID)
	}
	if f.Version != "" {
		version, err := fleet.ParseVersion(f.Version)
		if err != nil {
			return q, err
		}
		q.Version = version
	}
	q.Online, q.Development, q.Locked = choice(f.Online), choice(f.Development), choice(f.Locked)
	return q, nil
}

func choice(text string) *bool {
	yes := text == "yes"
	if !yes && text != "no" {
		return nil
	}
	return &yes
}

func (v *visit) devicesPage() error {
	list := deviceList{Filter: v.deviceFilter()}
	f := &list.Filter
	list.Filtered = len(f.values()) > 0
	var err error
	if list.Groups, err = v.registry.Groups(v.ctx(), v.actor, v.product.ID); err != nil {
		return err
	}
	if list.Versions, err = v.ota.Firmware(v.ctx(), v.actor, v.product.ID); err != nil {
		return err
	}
	q, err := v.query(*f, list.Groups)
	if err != nil {
		return err
	}
	if f.By == "group" || f.By == "version" {
		if list.Sections, err = v.sections(list, q); err != nil {
			return err
		}
		return v.show("devices", "Devices", list)
	}
	if f.After == "" {
		q.Skip = min(f.From, maxSkip)
	}
	list.Page, list.ByName, err = v.find(q)
	if err != nil {
		return err
	}
	list.position()
	return v.show("devices", "Devices", list)
}

// find searches ids, and names where no id matches.
func (v *visit) find(q fleet.DeviceQuery) (found fleet.DeviceViews, byName bool, err error) {
	found, err = v.registry.Devices(v.ctx(), v.actor, q)
	if err != nil || found.Total > 0 || q.IDPart == "" {
		return found, false, err
	}
	q.IDPart, q.NamePart = "", q.IDPart
	found, err = v.registry.Devices(v.ctx(), v.actor, q)
	return found, found.Total > 0, err
}

// position says which rows these are and how to reach the others.
func (l *deviceList) position() {
	l.From, l.To = l.Filter.From+1, l.Filter.From+len(l.Page.Devices)
	if l.Page.Next != "" {
		q := l.Filter.values()
		q.Set("after", l.Page.Next)
		q.Set("from", strconv.Itoa(l.To))
		l.Next = q.Encode()
	}
	if before := l.Filter.From - rowsPerPage; before >= 0 && before <= maxSkip {
		l.Previous = l.Filter.with("from", strconv.Itoa(before))
	} else if l.Filter.From > 0 {
		l.Previous = l.Filter.with("from", "0")
	}
}

// sections is the first devices of each group, or of each version.
func (v *visit) sections(list deviceList, q fleet.DeviceQuery) (all []section, err error) {
	plain := list.Filter
	plain.By = ""
	q.Limit = sectionRows
	add := func(s section, q fleet.DeviceQuery) error {
		if s.Page, err = v.registry.Devices(v.ctx(), v.actor, q); err == nil && s.Page.Total > 0 {
			all = append(all, s)
		}
		return err
	}
	if list.Filter.By == "version" {
		for _, f := range list.Versions[:min(len(list.Versions), maxSections)] {
			q.Version = f.Version
			if err := add(section{Title: "Version " + f.Version.String(), Query: plain.with("version", f.Version.String())}, q); err != nil {
				return nil, err
			}
		}
		return all, nil
	}
	for _, g := range list.Groups[:min(len(list.Groups), maxSections)] {
		q.Groups = []fleet.GroupID{g.ID}
		if err := add(section{Title: g.Name, Color: color(g.Color), Query: plain.with("group", g.Name)}, q); err != nil {
			return nil, err
		}
	}
	return all, nil
}
