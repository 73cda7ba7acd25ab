package console

import (
	"errors"
	"html/template"
	"sync"

	"github.com/muster-iot/muster/filter"
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
	var all []pending
	shown := groups[:min(len(groups), maxSections)]
	l.Cut = len(groups) - len(shown)
	for _, g := range shown {
		q.Groups = []fleet.GroupID{g.ID}
		s := section{Title: g.Name, Color: color(g.Color), Query: plain.with("group", g.Name)}
		all = append(all, pending{s, q})
	}
	if len(l.Filter.Groups) == 0 {
		q.Groups, q.NoGroup = nil, true
		all = append(all, pending{section{Title: "In no group", Query: plain.with("nogroup", "yes")}, q})
	}
	return v.read(l, all)
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
		return v.read(l, []pending{{section{Title: "Version " + plain.Version, Query: encoded(plain.values())}, q}})
	}
	var all []pending
	shown := l.Versions[:min(len(l.Versions), maxSections)]
	l.Cut, l.Rest = len(l.Versions)-len(shown), l.Page.Total
	for _, version := range shown {
		q.Version = version
		s := section{Title: "Version " + version.String(), Query: plain.with("version", version.String())}
		all = append(all, pending{s, q})
	}
	q.Version, q.NoVersion = fleet.Version{}, true
	all = append(all, pending{section{Title: "Version unknown", Query: plain.with("version", filter.NoVersion)}, q})
	if err := v.read(l, all); err != nil {
		return err
	}
	for _, s := range l.Sections {
		l.Rest -= s.Page.Total
	}
	return nil
}

// pending is a section whose devices are still to be read.
type pending struct {
	section
	query fleet.DeviceQuery
}

// read reads sections together, because each waits for the store, and adds those with devices.
func (v listPages) read(l *deviceList, all []pending) error {
	errs := make([]error, len(all))
	var reading sync.WaitGroup
	for i := range all {
		reading.Go(func() { all[i].Page, errs[i] = v.registry.Devices(v.ctx(), v.actor, all[i].query) })
	}
	reading.Wait()
	for _, s := range all {
		if s.Page.Total > 0 {
			l.Sections = append(l.Sections, s.section)
		}
	}
	return errors.Join(errs...)
}
