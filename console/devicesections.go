package console

import (
	"html/template"

	"github.com/muster-iot/muster/fleet"
)

const (
	sectionRows = 8 // rows of each section of a grouped list
	maxSections = 40
)

// section is one group or version in a grouped list.
type section struct {
	Title, Color string
	Query        template.URL
	Page         fleet.DeviceViews
}

// sections reads the first devices of each group or version among those the filter of l
// selects, then those in no group or without a version.
func (v listPages) sections(l *deviceList, groups []fleet.GroupView, q fleet.DeviceQuery) error {
	everything, err := v.registry.Devices(v.ctx(), v.actor, q)
	if err != nil {
		return err
	}
	l.Page.Total = everything.Total
	plain := l.Filter
	plain.By = ""
	q.Limit = sectionRows
	if l.Filter.By == "version" {
		return v.byVersion(l, plain, q)
	}
	return v.byGroup(l, plain, groups, q)
}

func (v listPages) byGroup(l *deviceList, plain deviceFilter, groups []fleet.GroupView, q fleet.DeviceQuery) error {
	if len(plain.Groups) > 0 { // only those of the filter
		groups = onlyGroups(groups, plain.Has)
	}
	plain.Groups = nil
	shown := groups[:min(len(groups), maxSections)]
	l.Cut = len(groups) - len(shown)
	for _, g := range shown {
		q.Groups = []fleet.GroupID{g.ID}
		s := section{Title: g.Name, Color: color(g.Color), Query: plain.with("group", g.Name)}
		if err := v.addSection(l, s, q); err != nil {
			return err
		}
	}
	if len(l.Filter.Groups) > 0 {
		return nil
	}
	q.Groups, q.NoGroup = nil, true
	return v.addSection(l, section{Title: "In no group", Query: plain.with("nogroup", "yes")}, q)
}

func onlyGroups(groups []fleet.GroupView, wanted func(string) bool) (only []fleet.GroupView) {
	for _, g := range groups {
		if wanted(g.Name) {
			only = append(only, g)
		}
	}
	return only
}

func (v listPages) byVersion(l *deviceList, plain deviceFilter, q fleet.DeviceQuery) error {
	if q.NoVersion || !q.Version.IsZero() {
		return v.addSection(l, section{Title: "Version " + plain.Version, Query: encoded(plain.values())}, q)
	}
	shown := l.Versions[:min(len(l.Versions), maxSections)]
	l.Cut, l.Rest = len(l.Versions)-len(shown), l.Page.Total
	for _, version := range shown {
		q.Version = version
		s := section{Title: "Version " + version.String(), Query: plain.with("version", version.String())}
		if err := v.addSection(l, s, q); err != nil {
			return err
		}
	}
	q.Version, q.NoVersion = fleet.Version{}, true
	if err := v.addSection(l, section{Title: "Version unknown", Query: plain.with("version", noVersion)}, q); err != nil {
		return err
	}
	for _, s := range l.Sections {
		l.Rest -= s.Page.Total
	}
	return nil
}

// addSection adds s unless it is empty.
func (v listPages) addSection(l *deviceList, s section, q fleet.DeviceQuery) (err error) {
	if s.Page, err = v.registry.Devices(v.ctx(), v.actor, q); err == nil && s.Page.Total > 0 {
		l.Sections = append(l.Sections, s)
	}
	return err
}
