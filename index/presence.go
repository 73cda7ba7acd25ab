package index

import "github.com/muster-iot/muster/fleet"

// presence is which devices other servers, and this one, hold the sessions of, by their records. It is
// there only if several servers share the records.
type presence struct {
	alive func(node string) bool
	held  map[string]map[fleet.DeviceID]bool // by node
	by    map[fleet.DeviceID]string
}

// Share has the index take whether a device is connected from its record: it is while the node there
// lives, as alive reports. It must be called before the first device is stored. alive
// must not call the index.
func (x *Index) Share(alive func(node string) bool) {
	x.presence = &presence{alive: alive, held: map[string]map[fleet.DeviceID]bool{}, by: map[fleet.DeviceID]string{}}
}

// NodeChanged follows a node that has begun or died.
func (x *Index) NodeChanged(node string, alive bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for id := range x.presence.held[node] {
		if at, ok := x.locations[id]; ok {
			x.setOnline(at.shard, at.row, alive)
		}
	}
}

// Holder returns the node that holds the session of a device by its record, "" for none.
func (x *Index) Holder(id fleet.DeviceID) string {
	x.mu.RLock()
	defer x.mu.RUnlock()
	if x.presence == nil {
		return ""
	}
	return x.presence.by[id]
}

// hold notes the node that has the session of a device, "" for none, and returns whether that lives.
// The caller must hold x.mu.
func (p *presence) hold(id fleet.DeviceID, node string) (online bool) {
	if was := p.by[id]; was != node {
		delete(p.held[was], id)
		delete(p.by, id)
		if node != "" {
			if p.held[node] == nil {
				p.held[node] = map[fleet.DeviceID]bool{}
			}
			p.held[node][id], p.by[id] = true, node
		}
	}
	return node != "" && p.alive(node)
}

// mark returns flags with whether d is connected, and flags if SetOnline reports that.
func (p *presence) mark(f flags, d *fleet.Device) flags {
	if p == nil {
		return f
	}
	if p.hold(d.ID, d.Node) {
		return f | rowOnline
	}
	return f &^ rowOnline
}

func (p *presence) forget(id fleet.DeviceID) {
	if p != nil {
		p.hold(id, "")
	}
}
