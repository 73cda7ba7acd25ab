package ota

import (
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/ota/precedence"
)

// memoGroups is the largest set of groups whose target is remembered.
const memoGroups = 4

// resolver runs precedence over many devices by one catalog: once per set of groups
// instead of once per device. It is not safe for concurrent use.
type resolver struct {
	catalog *fleet.Catalog
	none    fleet.Version // target of a device without groups
	memo    map[[memoGroups]fleet.GroupID]fleet.Version
}

func newResolver(c *fleet.Catalog) resolver {
	none, _, _ := precedence.Decide(precedence.Facts{}, c)
	return resolver{catalog: c, none: none, memo: make(map[[memoGroups]fleet.GroupID]fleet.Version)}
}

// target is what the device of e should run.
func (r *resolver) target(e *fleet.IndexEntry) fleet.Version {
	if e.Development || !e.Lock.IsZero() {
		v, _, _ := precedence.Decide(precedence.OfEntry(e), r.catalog)
		return v
	}
	return r.released(e.Groups)
}

// released is what releases alone give to members of groups.
func (r *resolver) released(groups []fleet.GroupID) fleet.Version {
	if len(groups) == 0 {
		return r.none
	}
	if len(groups) > memoGroups {
		v, _, _ := precedence.Decide(precedence.Facts{Groups: groups}, r.catalog)
		return v
	}
	var key [memoGroups]fleet.GroupID
	copy(key[:], groups)
	v, ok := r.memo[key]
	if !ok {
		v, _, _ = precedence.Decide(precedence.Facts{Groups: groups}, r.catalog)
		r.memo[key] = v
	}
	return v
}
