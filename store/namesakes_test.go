package store

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/store/keys"
)

func inTeam(team fleet.TeamID, id fleet.DeviceID) *fleet.Device {
	d := newDevice("")
	d.ID, d.Team, d.Name = id.In(team), team, "of team "+team.String()
	return d
}

// docs/rules.md, "Words": the id of a device is unique in its team.
func TestTeamsHaveDevicesWithOneIDApart(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		for team := range fleet.TeamID(7) {
			if team == 0 {
				continue
			}
			d := inTeam(team, "a")
			must(t, s.Devices.Create(ctx, d))
			if d.Namesakes != int(team)-1 {
				t.Errorf("team %s: %d older devices have the id, want %d", team, d.Namesakes, team-1)
			}
			if err := s.Devices.Create(ctx, inTeam(team, "a")); !errors.Is(err, fleet.Conflict) {
				t.Errorf("team %s has two devices with the id: %v", team, err)
			}
		}
		must(t, s.Devices.Create(ctx, inTeam(9, "b")))
		asked := askedFor(s, "a")
		teams := func() (found []fleet.TeamID) {
			before := asked.Load()
			for _, d := range got[[]fleet.Device](t)(s.Devices.Namesakes(ctx, "a")) {
				found = append(found, d.Team)
				if d.ID != fleet.DeviceID("a").In(d.Team) || d.Name != "of team "+d.Team.String() {
					t.Errorf("got %+v", d)
				}
			}
			if n := asked.Load() - before; n != 1 {
				t.Errorf("an admission took %d trips, want 1", n)
			}
			return found
		}
		equal(t, teams(), 1, 2, 3, 4)
		must(t, s.Devices.Delete(ctx, "2/a"))
		if err := s.Devices.Delete(ctx, "2/a"); !errors.Is(err, fleet.NotFound) {
			t.Errorf("got %v, want not found", err)
		}
		equal(t, teams(), 1, 3, 4, 5)
		got[fleet.Device](t)(s.Devices.Edit(ctx, "3/a", func(d *fleet.Device) error { d.Notes = "changed"; return nil }))
		for _, team := range []fleet.TeamID{1, 3, 4, 5, 6} {
			d := got[fleet.Device](t)(s.Devices.Device(ctx, fleet.DeviceID("a").In(team)))
			if changed := d.Notes == "changed"; changed != (team == 3) {
				t.Errorf("the device of team %s has the notes %q", team, d.Notes)
			}
		}
		for _, team := range []fleet.TeamID{1, 3, 4, 5, 6} {
			must(t, s.Devices.Delete(ctx, fleet.DeviceID("a").In(team)))
		}
		equal(t, teams())
		if n := got[int64](t)(client(s).Exists(ctx, keys.Holders("a")).Result()); n != 0 {
			t.Error("the set of an id that no team has is still there")
		}
	})
}

// trips counts the trips that ask who has an id: others continue in the background.
type trips struct {
	atomic.Int64
	key string
}

func askedFor(s *Store, id fleet.DeviceID) *trips {
	h := &trips{key: keys.Holders(id)}
	hook(s, h)
	return h
}

func (h *trips) note(commands ...redis.Cmder) {
	for _, c := range commands {
		if slices.ContainsFunc(c.Args(), func(arg any) bool { return arg == h.key }) {
			h.Add(1)
			return
		}
	}
}

func (h *trips) DialHook(next redis.DialHook) redis.DialHook { return next }
func (h *trips) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, c redis.Cmder) error {
		h.note(c)
		return next(ctx, c)
	}
}

func (h *trips) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, commands []redis.Cmder) error {
		h.note(commands...)
		return next(ctx, commands)
	}
}

func equal(t *testing.T, found []fleet.TeamID, want ...fleet.TeamID) {
	t.Helper()
	if len(found) != len(want) {
		t.Fatalf("got the devices of teams %v, want %v", found, want)
	}
	for i := range want {
		if found[i] != want[i] {
			t.Errorf("got the devices of teams %v, want %v", found, want)
		}
	}
}

// A reader remembers the team of an id that only one has. What changes later is noticed, for a second trip.
func TestWhatWasReadOfAnIDIsNoticedToHaveChanged(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		asked := askedFor(s, "a")
		reads := func(trips int64, want ...fleet.TeamID) {
			t.Helper()
			before := asked.Load()
			var found []fleet.TeamID
			for _, d := range got[[]fleet.Device](t)(s.Devices.Namesakes(ctx, "a")) {
				found = append(found, d.Team)
			}
			equal(t, found, want...)
			if n := asked.Load() - before; n != trips {
				t.Errorf("it took %d trips, want %d", n, trips)
			}
		}
		reads(1)
		must(t, s.Devices.Create(ctx, inTeam(2, "a")))
		reads(1, 2)
		got[fleet.Device](t)(s.Devices.Edit(ctx, "2/a", func(d *fleet.Device) error { d.Notes = "changed"; return nil }))
		reads(1, 2) // by what it remembers
		if d := got[[]fleet.Device](t)(s.Devices.Namesakes(ctx, "a")); d[0].Notes != "changed" || d[0].ID != "2/a" {
			t.Errorf("got %+v", d[0])
		}
		must(t, s.Devices.Create(ctx, inTeam(1, "a")))
		reads(2, 2, 1)
		must(t, s.Devices.Delete(ctx, "2/a"))
		reads(2, 1)
		reads(1, 1)
		must(t, client(s).HSet(ctx, keys.Device("1/a"), "t", "7").Err()) // it is of another team than its key
		reads(2)
		must(t, s.Devices.Delete(ctx, "1/a"))
		reads(2)
		must(t, s.Devices.Create(ctx, inTeam(3, "a")))
		reads(2, 3)
	})
}

// An id without its team names no device, and takes no server down.
func TestAnIDWithoutItsTeamNamesNoDevice(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		must(t, s.Devices.Create(ctx, inTeam(1, "a")))
		for _, id := range []fleet.DeviceID{"a", ""} {
			if _, err := s.Devices.Device(ctx, id); !errors.Is(err, fleet.NotFound) {
				t.Errorf("%q: got %v, want not found", id, err)
			}
			if _, err := s.Devices.Edit(ctx, id, func(*fleet.Device) error { return nil }); !errors.Is(err, fleet.NotFound) {
				t.Errorf("an edit of %q: got %v, want not found", id, err)
			}
			if err := s.Devices.Delete(ctx, id); !errors.Is(err, fleet.NotFound) {
				t.Errorf("deleting %q: got %v, want not found", id, err)
			}
		}
		got[fleet.Device](t)(s.Devices.Device(ctx, "1/a"))
	})
}
