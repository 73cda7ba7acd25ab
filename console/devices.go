package console

import (
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/muster-iot/muster/fleet"
)

// listPages are the lists of devices.
type listPages struct{ *visit }

const rowsPerPage = 50

// deviceList is the page of the devices of a product or of the whole team.
type deviceList struct {
	Filter   deviceFilter
	Picker   picker
	Versions []fleet.Version
	Page     fleet.DeviceViews
	Found    []fleet.GroupView // groups whose names contain what is searched
	Sections []section
	Rest     int // number of devices in none of the sections
	Cut      int // number of groups or versions not shown
	From, To int
	Previous template.URL // queries of other pages, "" if there is none
	Next     template.URL
	Filtered bool
	Team     bool              // of all products
	Problem  string            // what is wrong with the filter
	Query    template.URL      // of this page, for its refresh
	Begin    template.URL      // of the first page
	End      template.URL      // of the last page, "" if there is none or it is not reached by its number
	Colors   map[string]string // of groups, by name
	Saving   saving
}

// All reports whether the page shows every device that matches.
func (l deviceList) All() bool { return len(l.Page.Devices) == l.Page.Total }

var sorts = map[string]fleet.DeviceSort{"": fleet.ByID, "id": fleet.ByID, "name": fleet.ByName, "version": fleet.ByVersion, "handshake": fleet.ByLastHandshake}

// query translates the filter. It returns fleet.Invalid for groups that the actor does not see.
func (v listPages) query(f deviceFilter) (fleet.DeviceQuery, error) {
	q, err := v.filters.Query(v.ctx(), v.actor, v.product.ID, f.Fields)
	q.After, q.Limit = f.After, rowsPerPage
	sort := f.Sort
	if sort != "" && sort[0] == '-' {
		q.Descending, sort = true, sort[1:]
	}
	q.Sort = sorts[sort]
	return q, err
}

// maxFound bounds the groups that a search shows.
const maxFound = 8

// groupsWith returns the first groups whose names contain text.
func groupsWith(groups []fleet.GroupView, text string) []fleet.GroupView {
	if text == "" {
		return nil
	}
	found := slices.DeleteFunc(slices.Clone(groups), func(g fleet.GroupView) bool {
		return !strings.Contains(fleet.GroupKey(g.Name), fleet.GroupKey(text))
	})
	return found[:min(len(found), maxFound)]
}

// devicesPage lists the devices of a product or, without one in the path, of the team.
func (v listPages) devicesPage() error {
	f := v.deviceFilter()
	if to := v.productOf(f); to != "" {
		return v.redirect(to)
	}
	list := deviceList{Filter: f, Team: v.product.ID == 0, Filtered: len(f.values()) > 0}
	groups, err := v.registry.Groups(v.ctx(), v.actor, v.product.ID)
	if err != nil {
		return err
	}
	list.Picker = v.pick(groups, named(f.Groups))
	list.Query, list.Colors = encoded(v.r.URL.Query()), map[string]string{}
	for _, g := range groups {
		list.Colors[g.Name] = g.Color
	}
	list.Found = groupsWith(groups, f.Search)
	if list.Versions, err = v.versionsOf(); err != nil {
		return err
	}
	if list.Saving, err = v.saving(f); err != nil {
		return err
	}
	if err := v.fill(&list, groups); err != nil {
		if !errors.Is(err, fleet.Invalid) && !errors.Is(err, fleet.Conflict) {
			return err
		}
		list.Problem = sentence(err)
		v.code = http.StatusUnprocessableEntity
	}
	if v.fragment() {
		return v.fragmentOf("devices", "rows", list)
	}
	title := "Devices"
	if words := f.Words(); words != "" {
		title += ": " + words
	}
	return v.show("devices", title, list)
}

// fill reads the devices that the filter of l selects.
func (v listPages) fill(l *deviceList, groups []fleet.GroupView) error {
	q, err := v.query(l.Filter)
	if err != nil {
		return err
	}
	if l.Filter.By == "group" || l.Filter.By == "version" {
		return v.sections(l, groups, q)
	}
	if l.Filter.After == "" {
		q.Skip = min(l.Filter.From, fleet.MaxSkip)
	}
	if l.Page, err = v.registry.Devices(v.ctx(), v.actor, q); err != nil {
		return err
	}
	l.position()
	return nil
}

// productOf returns the address of the filter's product, "" if it is the one shown.
func (v listPages) productOf(f deviceFilter) string {
	switch f.Product {
	case "", v.product.Slug:
		return ""
	case everyProduct:
		if v.product.ID == 0 {
			return ""
		}
		f.Fields = f.OfAllProducts()
		return "/devices?" + f.values().Encode()
	}
	return "/p/" + url.PathEscape(f.Product) + "/devices?" + f.values().Encode()
}

// versionsOf returns the versions of the product, or of all products, each once.
func (v listPages) versionsOf() (versions []fleet.Version, err error) {
	products := []fleet.Product{v.product}
	if v.product.ID == 0 {
		if products, err = v.registry.Products(v.ctx(), v.actor); err != nil {
			return nil, err
		}
	}
	for _, p := range products {
		list, err := v.releases.Firmware(v.ctx(), v.actor, p.ID)
		if err != nil {
			return nil, err
		}
		for _, f := range list {
			versions = append(versions, f.Version)
		}
	}
	slices.SortFunc(versions, func(a, b fleet.Version) int { return b.Compare(a) })
	return slices.CompactFunc(versions, fleet.Version.Equal), nil
}

// position sets the numbers of the rows and the queries of the pages around them.
func (l *deviceList) position() {
	l.Begin = encoded(l.Filter.values())
	if last := (l.Page.Total - 1) / rowsPerPage * rowsPerPage; l.Page.Next != "" && last <= fleet.MaxSkip {
		l.End = l.Filter.with("from", strconv.Itoa(last))
	}
	l.From, l.To = l.Filter.From+1, l.Filter.From+len(l.Page.Devices)
	if l.Page.Next != "" {
		q := l.Filter.values()
		q.Set("after", l.Page.Next)
		q.Set("from", strconv.Itoa(l.To))
		l.Next = encoded(q)
	}
	if before := l.Filter.From - rowsPerPage; before >= 0 && before <= fleet.MaxSkip {
		l.Previous = l.Filter.with("from", strconv.Itoa(before))
	} else if l.Filter.From > 0 {
		l.Previous = l.Filter.with("from", "0")
	}
}
