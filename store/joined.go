package store

import (
	"context"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/store/feed"
	"github.com/muster-iot/muster/store/keys"
	"github.com/muster-iot/muster/store/node"
	"github.com/muster-iot/muster/store/pipeline"
)

// join makes this process one of the nodes that share the store.
func (s *Store) join(o Options) *node.Nodes {
	return node.New(node.Config{
		Role: o.Role, Release: o.Release, At: func(key string) (pipeline.Master, error) { return s.core.Master(key) }, Log: o.log(),
		Changed: func(id string, alive bool) {
			s.Index.NodeChanged(id, alive)
			if !alive {
				s.core.recovery.ended()
			}
		},
	})
}

type (
	// Woken is a device that another server has changed or has a connection of.
	Woken = node.Woken
	// Edited is an edit of a catalog by another server.
	Edited = feed.Edited
)

// Follow calls woken for each device that this server should look at again, and missed with some
// devices for which it may not have been called, until ctx ends. suspect is called before this server
// writes again after others may have taken it for dead. Follow returns at once if the store is not shared.
func (s *Store) Follow(ctx context.Context, woken func(Woken), missed func(among func(fleet.DeviceID) bool), suspect func()) {
	s.nodes.Watch(ctx, s.core.Split, node.Follower{
		Woken: woken, Suspect: suspect,
		Missed: func(bucket int) {
			missed(func(id fleet.DeviceID) bool { return keys.Bucket(id) == bucket })
		},
	})
}

// Connected has the server that holds the session of a device, by its record, end that: the device has
// connected here at a time, in µs.
func (s *Store) Connected(ctx context.Context, device fleet.DeviceID, holder string, at uint64) error {
	return s.nodes.Connected(ctx, s.core.Pipeline, device, holder, at)
}

// Decide has the server that holds the session of a device, according to the index, decide again what
// the device should run. If it fails, that server looks at all its devices of the bucket.
func (s *Store) Decide(ctx context.Context, device fleet.DeviceID) error {
	return s.nodes.Decide(ctx, s.core.Pipeline, device, s.Index.Holder(device))
}

// FollowEdits calls edited for each edit of a catalog by another server, until ctx ends. It returns at
// once if the store is not shared.
func (s *Store) FollowEdits(ctx context.Context, edited func(Edited)) {
	if s.feed.Joined() {
		s.feed.Edits(ctx, edited)
	}
}

// Nodes are the servers that share this store; nil if they may not.
func (s *Store) Nodes() *node.Nodes { return s.nodes }
