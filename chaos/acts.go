package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/fleet"
)

// act is something an operator does. draw decides what exactly; the call is repeated until the
// server acknowledges it, and only then the effect enters the world.
type act struct {
	name   string
	weight int
	draw   func(*round, *rand.Rand) (call call, effect func())
}

// call does it at one server.
type call func(context.Context, *server) error

var acts = []act{
	{"release-default", 3, func(r *round, random *rand.Rand) (call, func()) {
		v, yes := r.version(random), true
		return releasing(api.Release{Version: v.api(), Default: &yes, Intelligent: random.IntN(2) == 0}), r.world.released(uint32(v), r.groupsOf(uint32(v)), &yes)
	}},
	{"release-to-groups", 4, func(r *round, random *rand.Rand) (call, func()) {
		v, groups := r.version(random), r.someGroups(random)
		return releasing(api.Release{Version: v.api(), Groups: api.Some(api.Names(groups)), Intelligent: random.IntN(2) == 0}), r.world.released(uint32(v), groups, nil)
	}},
	{"take-back", 1, func(r *round, random *rand.Rand) (call, func()) {
		v, no := r.version(random), false
		return releasing(api.Release{Version: v.api(), Groups: api.Some(api.Names{}), Default: &no}), r.world.released(uint32(v), nil, &no)
	}},
	{"edit-groups", 5, func(r *round, random *rand.Rand) (call, func()) {
		ids, add, remove := r.some(random, 1+random.IntN(len(r.ids)/2)), r.someGroups(random), r.someGroups(random)
		remove = without(remove, add)
		return batch("groups", ids, api.BatchMetadata{Add: add, Remove: remove}), r.world.each(ids, func(u *unit) {
			for _, g := range remove {
				delete(u.groups, g)
			}
			for _, g := range add {
				u.groups[g] = true
			}
		})
	}},
	{"set-groups", 2, func(r *round, random *rand.Rand) (call, func()) {
		ids, groups := r.some(random, 1), r.someGroups(random)
		return func(ctx context.Context, s *server) error {
				_, err := s.client.UpdateDevice(ctx, product, ids[0].String(), api.DeviceUpdate{Groups: api.Some(api.Names(groups))})
				return err
			}, r.world.each(ids, func(u *unit) {
				clear(u.groups)
				for _, g := range groups {
					u.groups[g] = true
				}
			})
	}},
	{"lock", 3, func(r *round, random *rand.Rand) (call, func()) {
		ids, v := r.some(random, 1+random.IntN(len(r.ids)/4)), r.version(random)
		to := v.api()
		return batch("lock", ids, api.BatchMetadata{Version: &to, Flash: random.IntN(2) == 0}), r.world.each(ids, func(u *unit) { u.lock = uint32(v) })
	}},
	{"unlock", 3, func(r *round, random *rand.Rand) (call, func()) {
		ids := r.some(random, 1+random.IntN(len(r.ids)/2))
		return batch("unlock", ids, api.BatchMetadata{}), r.world.each(ids, func(u *unit) { u.lock = none })
	}},
	{"development", 2, func(r *round, random *rand.Rand) (call, func()) {
		ids, on := r.some(random, 1+random.IntN(len(r.ids)/8)), random.IntN(3) == 0
		return batch("development", ids, api.BatchMetadata{Development: &on}), r.world.each(ids, func(u *unit) { u.development = on })
	}},
	{"stop", 3, func(r *round, random *rand.Rand) (call, func()) {
		ids := r.some(random, 1)
		return func(ctx context.Context, s *server) error {
			return unless(s.client.StopUpdate(ctx, ids[0].String()), fleet.Conflict, fleet.NotFound) // there may be none to stop
		}, r.world.each(ids, func(u *unit) { u.stopped = true })
	}},
	{"command", 3, func(r *round, random *rand.Rand) (call, func()) {
		id, key := r.some(random, 1)[0], fmt.Sprintf("%d-%d", r.seed, random.Uint64())
		return func(ctx context.Context, s *server) error {
			err := s.call(ctx, http.MethodPost, "/v1/devices/"+id.String()+"/commands", key, api.NewCommand{Name: "blink", ExpiresIn: 7 * 24 * 3600})
			switch {
			case !errors.Is(err, fleet.Conflict):
				return err
			case strings.Contains(err.Error(), "still in progress"): // at a server that did not answer
			default: // the server that took it was killed: it may have been carried out
				r.world.change(func() { r.world.unsure[id]++ })
				key += "-again"
			}
			return fleet.Errorf(fleet.Busy, "%w", err)
		}, func() { r.world.commands[id]++ }
	}},
}

func actNames() (names []string) {
	for _, a := range acts {
		names = append(names, a.name)
	}
	return names
}

const product = "lamp"

// version is one of the versions that were uploaded.
type version uint32

func (v version) api() api.Version { return api.Version{Version: fleet.WholeVersion(uint32(v))} }

func (r *round) version(random *rand.Rand) version {
	return version(r.world.versions[random.IntN(len(r.world.versions))])
}

// some draws n devices.
func (r *round) some(random *rand.Rand, n int) (ids []fleet.DeviceID) {
	for _, i := range random.Perm(len(r.ids))[:max(n, 1)] {
		ids = append(ids, r.ids[i])
	}
	return ids
}

func (r *round) someGroups(random *rand.Rand) []string {
	groups := []string{}
	for _, g := range r.world.groups {
		if random.IntN(3) == 0 {
			groups = append(groups, g)
		}
	}
	return groups
}

// groupsOf are the groups that a version is released to.
func (r *round) groupsOf(v uint32) (groups []string) {
	r.world.mu.Lock()
	defer r.world.mu.Unlock()
	for _, g := range r.world.groups {
		if r.world.releases[g] == v {
			groups = append(groups, g)
		}
	}
	return groups
}

func without(all, some []string) (left []string) {
	left = []string{}
	for _, one := range all {
		found := false
		for _, other := range some {
			found = found || one == other
		}
		if !found {
			left = append(left, one)
		}
	}
	return left
}

func releasing(release api.Release) call {
	return func(ctx context.Context, s *server) error {
		_, err := s.client.Release(ctx, product, release)
		return err
	}
}

func batch(action string, ids []fleet.DeviceID, metadata api.BatchMetadata) call {
	update := api.BatchUpdate{Action: action, Metadata: metadata}
	for _, id := range ids {
		update.Devices = append(update.Devices, id.String())
	}
	return func(ctx context.Context, s *server) error { return s.client.UpdateDevices(ctx, product, update) }
}

// unless returns err, but nil for the kinds given.
func unless(err error, kinds ...fleet.Kind) error {
	for _, kind := range kinds {
		if errors.Is(err, kind) {
			return nil
		}
	}
	return err
}
