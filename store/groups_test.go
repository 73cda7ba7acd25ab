package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/index"
	"github.com/muster-iot/muster/store/keys"
)

func TestEnsureGroupsMakesOnlyWhatIsMissing(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		team, _, _ := newTeam(t, s)
		eu := got[fleet.Group](t)(s.Teams.CreateGroup(ctx, fleet.Group{Team: team.ID, Name: "eu", Color: "#000000"}))
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				groups, err := s.Teams.EnsureGroups(ctx, team.ID, []fleet.Group{{Name: "new"}, {Name: "eu"}})
				if err != nil || len(groups) != 2 || groups[0].Name != "new" || groups[1] != eu {
					t.Errorf("got %v, %v", groups, err)
				}
			})
		}
		all.Wait()
		if groups := got[[]fleet.Group](t)(s.Teams.Groups(ctx, team.ID)); len(groups) != 2 {
			t.Errorf("got %v, want eu and new", groups)
		}
	})
}

func TestADeletedGroupIsTakenFromMembersReleasesAndDevices(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		team, _, product := newTeam(t, s)
		gone, stays := groupWithAll(t, s, team, product, "gone"), groupWithAll(t, s, team, product, "stays")
		must(t, s.Teams.DeleteGroup(ctx, team.ID, gone))
		checkGroupGone(t, s, team, product, gone, stays)
	})
}

func TestAnUnknownGroupOnADeviceIsTakenOffAtTheNextStart(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		team, _, product := newTeam(t, s)
		stays := groupWithAll(t, s, team, product, "stays")
		d := newDevice("late")
		d.Team, d.Product, d.Groups = team.ID, product.ID, fleet.SortGroups([]fleet.GroupID{stays, stays + 1000})
		must(t, s.Devices.Create(ctx, d))
		s.Teams.resume(ctx)
		if now := got[fleet.Device](t)(s.Devices.Device(ctx, "1/late")); !slices.Equal(now.Groups, []fleet.GroupID{stays}) {
			t.Errorf("got groups %v, want %d alone", now.Groups, stays)
		}
	})
}

func TestADeletionOfAGroupThatWasCutShortIsFinished(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		team, _, product := newTeam(t, s)
		gone, stays := groupWithAll(t, s, team, product, "gone"), groupWithAll(t, s, team, product, "stays")
		got[*roster](t)(s.Teams.docs.Edit(ctx, team.ID, func(r *roster) error { // the first step, and no other
			delete(r.groups, gone)
			r.leaving[gone] = true
			for id, m := range r.members {
				m.Groups = without(m.Groups, gone)
				r.members[id] = m
			}
			return nil
		}))
		s.Teams.resume(ctx)
		checkGroupGone(t, s, team, product, gone, stays)
	})
}

func TestAGroupLeavesItsDevicesInFewTrips(t *testing.T) {
	t.Parallel()
	s := openEphemeral(t)
	ctx := t.Context()
	team, _, product := newTeam(t, s)
	gone := groupWithAll(t, s, team, product, "gone")
	devices := make([]*fleet.Device, 3*maxCleared)
	for i := range devices {
		devices[i] = newDevice(fleet.DeviceID(fmt.Sprint("more", i)))
		devices[i].Team, devices[i].Product, devices[i].Groups = team.ID, product.ID, []fleet.GroupID{gone}
	}
	must(t, errors.Join(s.Devices.CreateMany(ctx, devices)...))
	before := s.Stats()
	must(t, s.Teams.DeleteGroup(ctx, team.ID, gone))
	if trips := s.Stats().WriteTrips - before.WriteTrips; trips > uint64(len(devices)/2) {
		t.Errorf("got %d trips for %d devices", trips, len(devices))
	}
	if left := s.Index.Members(team.ID, gone); len(left) > 0 {
		t.Errorf("%d devices are still in the group", len(left))
	}
}

func TestADeviceWithoutARecordHoldsUpNoDeletionOfAGroup(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		team, _, product := newTeam(t, s)
		gone, stays := groupWithAll(t, s, team, product, "gone"), groupWithAll(t, s, team, product, "stays")
		ghost := newDevice("ghost")
		ghost.Team, ghost.Product, ghost.Groups = team.ID, product.ID, []fleet.GroupID{gone}
		must(t, s.Devices.Create(ctx, ghost))
		must(t, client(s).Del(ctx, keys.Device("1/ghost")).Err()) // as another process would
		ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		must(t, s.Teams.DeleteGroup(ctx, team.ID, gone))
		checkGroupGone(t, s, team, product, gone, stays)
		if _, err := s.Index.Entry("1/ghost"); !errors.Is(err, fleet.NotFound) {
			t.Errorf("in the index: got %v, want not found", err)
		}
	})
}

func TestADeviceCreatedAgainIsNotForgotten(t *testing.T) {
	t.Parallel()
	s := openEphemeral(t)
	d := newDevice("a")
	must(t, s.Devices.Create(t.Context(), d))
	shown := index.Shown{ID: "a", Revision: d.Revision - 1} // of the one before
	s.Index.Forget(shown)
	if _, err := s.Index.Entry("1/a"); err != nil {
		t.Error(err)
	}
}

// groupWithAll makes a group with a member, a release and two devices, which are also in
// group all.
func groupWithAll(t *testing.T, s *Store, team fleet.Team, product fleet.Product, name string) fleet.GroupID {
	t.Helper()
	ctx := t.Context()
	g := got[fleet.Group](t)(s.Teams.CreateGroup(ctx, fleet.Group{Team: team.ID, Name: name}))
	u := got[fleet.User](t)(s.Teams.CreateUser(ctx, fleet.User{Email: name + "@example.com"}))
	must(t, s.Teams.AddMember(ctx, fleet.Member{Team: team.ID, User: u.ID, Role: fleet.Editor, Groups: []fleet.GroupID{g.ID}}))
	got[*fleet.Catalog](t)(s.Catalogs.EditCatalog(ctx, product.ID, func(c *fleet.Catalog) error {
		c.Groups[g.ID] = version("7")
		return nil
	}))
	all := got[[]fleet.Group](t)(s.Teams.EnsureGroups(ctx, team.ID, []fleet.Group{{Name: "all"}}))[0].ID
	for i := range 2 {
		d := newDevice(fleet.DeviceID(fmt.Sprint(name, i)))
		d.Team, d.Product, d.Groups = team.ID, product.ID, fleet.SortGroups([]fleet.GroupID{g.ID, all})
		must(t, s.Devices.Create(ctx, d))
	}
	return g.ID
}

func checkGroupGone(t *testing.T, s *Store, team fleet.Team, product fleet.Product, gone, stays fleet.GroupID) {
	t.Helper()
	ctx := t.Context()
	if _, err := s.Teams.Group(ctx, team.ID, gone); !errors.Is(err, fleet.NotFound) {
		t.Errorf("group: got %v, want not found", err)
	}
	for _, m := range got[[]fleet.Member](t)(s.Teams.Members(ctx, team.ID)) {
		if slices.Contains(m.Groups, gone) {
			t.Errorf("member %s is still in the group", m.Email)
		}
	}
	c := got[*fleet.Catalog](t)(s.Catalogs.Catalog(ctx, product.ID))
	if !c.Groups[gone].IsZero() || c.Groups[stays].IsZero() {
		t.Errorf("releases %v: want only that of group %d", c.Groups, stays)
	}
	all := got[[]fleet.Group](t)(s.Teams.EnsureGroups(ctx, team.ID, []fleet.Group{{Name: "all"}}))[0].ID
	for id, want := range map[fleet.DeviceID][]fleet.GroupID{"gone0": {all}, "gone1": {all}, "stays0": fleet.SortGroups([]fleet.GroupID{stays, all})} {
		if d := got[fleet.Device](t)(s.Devices.Device(ctx, id.In(1))); !slices.Equal(d.Groups, want) {
			t.Errorf("device %s is in groups %v, want %v", id, d.Groups, want)
		}
	}
	if r := got[*roster](t)(s.Teams.docs.Load(ctx, team.ID)); len(r.leaving) != 0 {
		t.Errorf("the note of the deletion is still there: %v", r.leaving)
	}
}
