package console

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/muster-iot/muster/fleet"
)

// rolloutPages are the pages of releases with a plan.
type rolloutPages struct{ *visit }

// rolloutRow is a release with the name of its target.
type rolloutRow struct {
	fleet.ReleaseView
	Target string // name of its group, "" for the product default
	Color  string // of the group
}

// rolloutList is the page of all releases of a product.
type rolloutList struct {
	Releases []rolloutRow  // with a plan, newest first
	Plain    []firmwareRow // versions that are released without one
}

func (v rolloutPages) listPage() error {
	views, err := v.rollouts.Releases(v.ctx(), v.actor, v.product.ID)
	if err != nil {
		return err
	}
	rows, groups, err := v.versions()
	if err != nil {
		return err
	}
	var l rolloutList
	for _, r := range views {
		l.Releases = append(l.Releases, rowOf(r, groups))
	}
	for _, f := range rows {
		if (f.Default || len(f.Tags) > 0) && f.Staged.ID == 0 {
			l.Plain = append(l.Plain, f)
		}
	}
	if v.fragment() {
		return v.fragmentOf("rollouts", "rows", l)
	}
	return v.show("rollouts", "Releases", l)
}

func rowOf(r fleet.ReleaseView, groups []fleet.GroupView) rolloutRow {
	row := rolloutRow{ReleaseView: r}
	for _, g := range groups {
		if g.ID == r.Group && r.Group != 0 {
			row.Target, row.Color = g.Name, g.Color
		}
	}
	if r.Group != 0 && row.Target == "" {
		row.Target = "a deleted group"
	}
	return row
}

// id returns the release in the path.
func (v rolloutPages) id() (fleet.ReleaseID, error) {
	n, err := strconv.ParseUint(v.r.PathValue("release"), 10, 32)
	if err != nil {
		return 0, fleet.Errorf(fleet.NotFound, "no such release: %.40s", v.r.PathValue("release"))
	}
	return fleet.ReleaseID(n), nil
}

// read returns the release in the path with what its page shows.
func (v rolloutPages) read() (b rolloutBody, err error) {
	id, err := v.id()
	if err != nil {
		return b, err
	}
	view, err := v.rollouts.Release(v.ctx(), v.actor, v.product.ID, id)
	if err != nil {
		return b, err
	}
	groups, err := v.registry.Groups(v.ctx(), v.actor, v.product.ID)
	if err != nil {
		return b, err
	}
	b.rolloutRow, b.Page = rowOf(view, groups), v.at("/releases/"+id.String())
	b.May = v.mayAct(view.Group)
	return b, nil
}

// mayAct reports whether the actor may act on releases to a target.
func (v rolloutPages) mayAct(target fleet.GroupID) bool {
	if target == 0 {
		return v.may(fleet.ReleaseDefault) == nil
	}
	return fleet.May(v.actor, fleet.ReleaseToGroup, fleet.Object{Team: v.actor.Team, Group: target}) == nil
}

func (v rolloutPages) page() error {
	b, err := v.read()
	if err != nil {
		return err
	}
	return v.show("rollout", "Release "+b.ID.String(), b)
}

func (v rolloutPages) live() error {
	b, err := v.read()
	if err != nil {
		return err
	}
	return v.fragmentOf("rollout", "live", b)
}

// confirmPage shows what an action does to a release, and asks.
func (v rolloutPages) confirmPage() error {
	b, err := v.read()
	if err != nil {
		return err
	}
	if !b.May {
		return v.may(fleet.ReleaseDefault)
	}
	act := fleet.ReleaseAction(v.text("act"))
	q := question{
		Crumbs: []crumb{{"Releases", v.at("/releases")}, {"Release " + b.ID.String(), b.Page}}, To: b.Page, Back: b.Page,
		Fields: url.Values{"act": {string(act)}},
	}
	if err := b.question(act, &q); err != nil {
		return err
	}
	return v.ask(q.Button+" release "+b.ID.String(), q)
}

// act carries out an action on a release.
func (v rolloutPages) act() error {
	id, err := v.id()
	if err != nil {
		return err
	}
	r, err := v.rollouts.Act(v.ctx(), v.actor, v.product.ID, id, fleet.ReleaseAction(v.text("act")))
	return v.after(err, v.at("/releases/"+id.String()), "Release "+id.String()+" is "+r.State.String()+" now.")
}

// eventLine is what happened to a release, for those who may see the audit log.
type eventLine struct {
	Entries []eventEntry
	More    bool // older entries may exist
	ID      fleet.ReleaseID
}

// eventEntry is an entry of the event line.
type eventEntry struct {
	Title   string
	At      time.Time
	Changes []change // of state, share and stage
}

// eventTitle describes who did what.
func eventTitle(e fleet.AuditEntry) string {
	_, what, _ := strings.Cut(e.Action, ".")
	if e.Email == "muster" {
		return what + " by its plan"
	}
	return what + " by " + e.Email
}

// events answers with the event line of a release. It examines a bounded part of the audit log.
func (v rolloutPages) events() error {
	id, err := v.id()
	if err != nil {
		return err
	}
	if err := v.rollouts.See(v.ctx(), v.actor, v.product.ID, id); err != nil {
		return err
	}
	entries, next, err := v.audit.Page(v.ctx(), v.actor, fleet.AuditQuery{Action: "release", Object: id.String(), Limit: 100})
	if err != nil {
		return err
	}
	words := nameOf{}
	line := eventLine{ID: id, More: next != ""}
	for _, e := range entries {
		if product := fieldsOf(e.After)["product_id"]; product == nil || words.plain("", product) != v.product.ID.String() {
			continue // of the release with this number in another product
		}
		entry := eventEntry{Title: eventTitle(e), At: e.At}
		for _, c := range words.changes(e) {
			if slices.Contains([]string{"state", "share", "why"}, c.Field) {
				entry.Changes = append(entry.Changes, c)
			}
		}
		line.Entries = append(line.Entries, entry)
	}
	return v.fragmentOf("rollout", "events", line)
}
