package store

import (
	"slices"

	"github.com/muster-iot/muster/fleet"
)

// IDs are all the devices q selects and the actor sees, by id, from the one behind q.After
// on, which is an id here. Sort, skip and limit of q count for nothing. It looks once at
// each device of the team: some ms per million. It returns fleet.Unavailable until the
// index is ready.
func (x *Index) IDs(q fleet.DeviceQuery) ([]fleet.DeviceID, error) {
	if err := x.ready(); err != nil {
		return nil, err
	}
	if q.Actor.Role == fleet.NoRole {
		return nil, nil
	}
	f := newFilter(x, q)
	found, total := f.find()
	ids := make([]fleet.DeviceID, 0, total)
	x.mu.RLock()
	defer x.mu.RUnlock()
	s := x.shelves[q.Actor.Team]
	if s == nil {
		return nil, nil
	}
	f.forget()
	f.begin()
	for n := range found {
		for i := range pageRows {
			if !found[n].has(i) {
				continue
			}
			l := s.at(int32(n*pageRows + i))
			if f.selects(l.fact) && f.reads(l.row) && l.id > fleet.DeviceID(q.After) { // it may have changed since it was found
				ids = append(ids, l.id)
			}
		}
	}
	slices.Sort(ids)
	return ids, nil
}
