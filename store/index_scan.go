package store

import (
	"cmp"
	"slices"
	"time"

	"github.com/muster-iot/muster/fleet"
)

// Entry returns what the index knows of a device: fleet.NotFound when there is none,
// fleet.Unavailable while it may not have been read yet.
func (x *Index) Entry(id fleet.DeviceID) (fleet.IndexEntry, error) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	at, ok := x.places[id]
	if !ok {
		if err := x.ready(); err != nil {
			return fleet.IndexEntry{}, err
		}
		return fleet.IndexEntry{}, fleet.Errorf(fleet.NotFound, "no such device: %s", id)
	}
	var e fleet.IndexEntry
	x.expand(at.shelf.at(int(at.row)), &e)
	return e, nil
}

// Each calls visit for the devices of a team, of one product or with 0 of all, in no
// order, until it returns false. visit may do anything, but not keep the entry: it is
// used again. Devices that come or go meanwhile may be visited or not. It returns
// fleet.Unavailable before the index is ready.
func (x *Index) Each(team fleet.TeamID, product fleet.ProductID, visit func(*fleet.IndexEntry) bool) error {
	if err := x.ready(); err != nil {
		return err
	}
	entries := make([]fleet.IndexEntry, 0, pageRows)
	x.pages(team, func(rows []row) bool {
		entries = entries[:0]
		for i := range rows {
			if r := &rows[i]; r.id != "" && (product == 0 || r.product == product) {
				entries = append(entries, fleet.IndexEntry{})
				x.expand(r, &entries[len(entries)-1])
			}
		}
		return true
	}, func() bool {
		for i := range entries {
			if !visit(&entries[i]) {
				return false
			}
		}
		return true
	})
	return nil
}

// pages calls look for each page of a team's rows with the lock held, and after each,
// when it is not nil, between without it, until one returns false.
func (x *Index) pages(team fleet.TeamID, look func([]row) bool, between func() bool) {
	for i := 0; ; i++ {
		x.mu.RLock()
		s := x.shelves[team]
		if s == nil || i*pageRows >= s.used {
			x.mu.RUnlock()
			return
		}
		more := look(s.pages[i][:min(pageRows, s.used-i*pageRows)])
		x.mu.RUnlock()
		if !more || between != nil && !between() {
			return
		}
	}
}

func (x *Index) expand(r *row, e *fleet.IndexEntry) {
	*e = fleet.IndexEntry{
		ID: r.id, Product: r.product, Kind: r.kind, Gateway: x.gateways.values[r.gateway],
		Name: r.name, Groups: x.sets[r.groups],
		Running: x.versions.values[r.running], Lock: x.versions.values[r.lock],
		Development: r.flags&rowDevelopment != 0, UpdatesOn: r.flags&rowUpdatesOn != 0,
		Force: r.flags&rowForce != 0, Disabled: r.flags&rowDisabled != 0, Online: r.flags&rowOnline != 0,
		Update: r.update, UpdateTo: x.versions.values[r.updateTo], Reason: r.reason,
		Held: r.flags&rowHeld != 0, Spent: int(r.spent), AttemptsFor: x.versions.values[r.attemptsFor],
	}
	if r.lastHandshake != 0 {
		e.LastHandshake = time.Unix(0, r.lastHandshake).UTC()
	}
}

// Versions counts the devices the actor sees, of one product or with 0 of all, by the
// version they run, highest first. Spellings of one version count as one; devices that
// never said what they run are not counted.
func (x *Index) Versions(actor fleet.Actor, product fleet.ProductID) ([]fleet.VersionCount, error) {
	if err := x.ready(); err != nil {
		return nil, err
	}
	counts := map[string]*fleet.VersionCount{}
	x.visible(actor, product, func(r *row) {
		v := x.versions.values[r.running]
		if v.IsZero() {
			return
		}
		key := cmp.Or(v.Key(), "unreadable "+v.String())
		if counts[key] == nil {
			counts[key] = &fleet.VersionCount{Version: v}
		}
		counts[key].Devices++
	})
	sorted := make([]fleet.VersionCount, 0, len(counts))
	for _, c := range counts {
		sorted = append(sorted, *c)
	}
	slices.SortFunc(sorted, func(a, b fleet.VersionCount) int {
		return cmp.Or(b.Version.Compare(a.Version), cmp.Compare(a.Version.String(), b.Version.String()))
	})
	return sorted, nil
}

// GroupCounts counts the devices the actor sees, of one product or with 0 of all, by
// group. Groups the actor does not hold are not hidden: that is for the caller to do.
func (x *Index) GroupCounts(actor fleet.Actor, product fleet.ProductID) (map[fleet.GroupID]int, error) {
	if err := x.ready(); err != nil {
		return nil, err
	}
	counts := map[fleet.GroupID]int{}
	x.visible(actor, product, func(r *row) {
		for _, g := range x.sets[r.groups] {
			counts[g]++
		}
	})
	return counts, nil
}

// visible calls visit, with the lock held, for each device the actor sees.
func (x *Index) visible(actor fleet.Actor, product fleet.ProductID, visit func(*row)) {
	eye := eye{index: x, actor: actor}
	x.pages(actor.Team, func(rows []row) bool {
		for i := range rows {
			if r := &rows[i]; r.id != "" && (product == 0 || r.product == product) && eye.sees(r) {
				visit(r)
			}
		}
		return true
	}, nil)
}

// members returns the devices of a team that are in group g.
func (x *Index) members(team fleet.TeamID, g fleet.GroupID) (ids []fleet.DeviceID) {
	x.pages(team, func(rows []row) bool {
		for i := range rows {
			if rows[i].id != "" && slices.Contains(x.sets[rows[i].groups], g) {
				ids = append(ids, rows[i].id)
			}
		}
		return true
	}, nil)
	return ids
}

// eye asks fleet.Sees about rows; it uses two devices again and again.
type eye struct {
	index           *Index
	actor           fleet.Actor
	device, gateway fleet.Device
}

// sees must be called with the index's lock held.
func (e *eye) sees(r *row) bool {
	if !e.actor.Role.Restricted() {
		return true
	}
	e.look(&e.device, r)
	if r.gateway == 0 {
		return fleet.Sees(e.actor, &e.device, nil)
	}
	at, ok := e.index.places[e.device.Gateway]
	if !ok || at.shelf != e.index.shelves[e.actor.Team] {
		return fleet.Sees(e.actor, &e.device, nil)
	}
	e.look(&e.gateway, at.shelf.at(int(at.row)))
	return fleet.Sees(e.actor, &e.device, &e.gateway)
}

func (e *eye) look(d *fleet.Device, r *row) {
	d.ID, d.Team, d.Kind = r.id, e.actor.Team, r.kind
	d.Groups, d.Gateway = e.index.sets[r.groups], e.index.gateways.values[r.gateway]
}
