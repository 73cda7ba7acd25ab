package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/muster-iot/muster/fleet"
)

// TestTheIndexEqualsOneBuiltFromTheRecords does random operations through the store and
// compares the index they left with one that read the records.
func TestTheIndexEqualsOneBuiltFromTheRecords(t *testing.T) {
	s := openEphemeral(t)
	ctx := context.Background()
	rapid.Check(t, func(t *rapid.T) {
		must2 := func(err error) {
			if err != nil && !errors.Is(err, fleet.NotFound) && !errors.Is(err, fleet.Conflict) && !errors.Is(err, fleet.Busy) {
				t.Fatal(err)
			}
		}
		for range rapid.IntRange(1, 30).Draw(t, "operations") {
			id := fleet.DeviceID(fmt.Sprint("d", rapid.IntRange(0, 7).Draw(t, "device")))
			switch rapid.IntRange(0, 4).Draw(t, "operation") {
			case 0:
				d := drawIndexed(t, id)
				must2(s.Devices.Create(ctx, &d))
			case 1:
				must2(s.Devices.Delete(ctx, id))
			case 2, 3:
				_, err := s.Devices.Edit(ctx, id, func(d *fleet.Device) error {
					revision := d.Revision
					*d = drawIndexed(t, id)
					d.Revision = revision
					return nil
				})
				must2(err)
			case 4:
				_, err := s.Messages.Queue(ctx, fleet.Command{Device: id})
				must2(err)
			}
		}
		rebuilt := newIndex(s.core)
		rebuilt.build(ctx)
		if diff := cmp.Diff(entries(s.Index), entries(rebuilt), sameVersion, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("fed (-) differs from rebuilt (+):\n%s", diff)
		}
		if used, want := s.Index.versions, len(rebuilt.versions.numbers); len(used.numbers) != want {
			t.Fatalf("%d versions are kept, %d are in use", len(used.numbers), want)
		}
	})
}

func drawIndexed(t *rapid.T, id fleet.DeviceID) fleet.Device {
	d := drawDevice(t)
	d.ID, d.Team, d.Pending = id, fleet.TeamID(rapid.IntRange(1, 2).Draw(t, "team of two")), 0
	d.LastCommand = 0
	return d
}

func entries(x *Index) map[fleet.TeamID]map[fleet.DeviceID]fleet.IndexEntry {
	all := map[fleet.TeamID]map[fleet.DeviceID]fleet.IndexEntry{}
	for team := range fleet.TeamID(3) {
		all[team] = map[fleet.DeviceID]fleet.IndexEntry{}
		ids, _ := x.IDs(fleet.DeviceQuery{Actor: fleet.Actor{Team: team, Role: fleet.Owner}})
		for _, id := range ids {
			all[team][id], _ = x.Entry(id)
		}
	}
	return all
}

// TestFindSelectsWhatFleetSeesAndTheQueryNames edits a fleet at random and compares Find,
// page by page, with a plain filter and sort of the same devices.
func TestFindSelectsWhatFleetSeesAndTheQueryNames(t *testing.T) {
	s := openEphemeral(t)
	devices, online := map[fleet.DeviceID]*fleet.Device{}, map[fleet.DeviceID]bool{}
	rapid.Check(t, func(t *rapid.T) {
		for range rapid.IntRange(0, 20).Draw(t, "devices") {
			d := drawSmall(t)
			devices[d.ID] = &d
			s.Index.put(&d)
		}
		for range rapid.IntRange(0, 3).Draw(t, "gone") {
			id := fleet.DeviceID(fmt.Sprint("D", rapid.IntRange(0, 25).Draw(t, "goes")))
			if devices[id] != nil { // the presence of one not read yet is kept
				delete(online, id)
			}
			delete(devices, id)
			s.Index.remove(id)
		}
		for range rapid.IntRange(0, 5).Draw(t, "presences") {
			id := fleet.DeviceID(fmt.Sprint("D", rapid.IntRange(0, 25).Draw(t, "present")))
			online[id] = rapid.Bool().Draw(t, "is online")
			s.Index.setOnline(id, online[id])
		}
		q := drawQuery(t)
		s.Index.few = rapid.IntRange(0, 10).Draw(t, "few")
		want := naive(&q, devices, online)
		slices.SortFunc(want, func(a, b fleet.DeviceID) int { return naiveCompare(&q, devices[a], devices[b]) })
		skip := min(q.Skip, len(want))
		total, found := len(want), []fleet.DeviceID(nil)
		want = want[skip:]
		for range 200 {
			page, err := s.Index.Find(q)
			if err != nil {
				t.Fatal(err)
			}
			if page.Total != total {
				t.Fatalf("total %d, want %d", page.Total, total)
			}
			found = append(found, page.IDs...)
			q.After, q.Skip = page.Next, 0
			if page.Next == "" {
				break
			}
		}
		if diff := cmp.Diff(found, want, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("found (-), want (+):\n%s", diff)
		}
		after := ""
		if rapid.Bool().Draw(t, "from the middle") {
			after = "D13"
		}
		q.After, q.Limit = after, rapid.IntRange(0, 12).Draw(t, "ids at most")
		ids, err := s.Index.IDs(q)
		want = slices.DeleteFunc(naive(&q, devices, online), func(id fleet.DeviceID) bool { return id <= fleet.DeviceID(after) })
		slices.Sort(want)
		if q.Limit > 0 {
			want = want[:min(len(want), q.Limit)]
		}
		if diff := cmp.Diff(ids, want, cmpopts.EquateEmpty()); err != nil || diff != "" {
			t.Fatalf("%v: ids (-), want (+):\n%s", err, diff)
		}
	})
}

// naive are the devices q selects, in no order.
func naive(q *fleet.DeviceQuery, devices map[fleet.DeviceID]*fleet.Device, online map[fleet.DeviceID]bool) (ids []fleet.DeviceID) {
	for id, d := range devices {
		if naiveSelects(q, d, devices) && (q.Online == nil || *q.Online == online[id]) {
			ids = append(ids, id)
		}
	}
	return ids
}

var smallRevision uint64

func drawSmall(t *rapid.T) fleet.Device {
	smallRevision++
	kind := fleet.DeviceKind(rapid.IntRange(0, 2).Draw(t, "kind"))
	d := fleet.Device{
		ID: fleet.DeviceID(fmt.Sprint("D", rapid.IntRange(0, 25).Draw(t, "id"))), Team: 1, Kind: kind, Revision: smallRevision,
		Product: fleet.ProductID(rapid.IntRange(1, 2).Draw(t, "product")),
		Name:    rapid.SampledFrom([]string{"", "alpha", "Alpha", "beta", "BETA 2", "ä", "Äta", "a\xff"}).Draw(t, "name"),
		Running: version(rapid.SampledFrom([]string{"", "7", "7.0.0", "10", "9.1.0-rc.1", "9.1.0", "junk"}).Draw(t, "version")),
		Groups:  drawFew(t), Development: rapid.Bool().Draw(t, "development"),
		Update: fleet.Update{State: fleet.UpdateState(rapid.IntRange(0, 3).Draw(t, "state")), To: version(rapid.SampledFrom([]string{"", "7"}).Draw(t, "to"))},
	}
	if rapid.Bool().Draw(t, "locked") {
		d.Lock = version("7")
	}
	if kind == fleet.BLE {
		d.Gateway = fleet.DeviceID(fmt.Sprint("D", rapid.IntRange(0, 25).Draw(t, "gateway")))
	}
	if rapid.Bool().Draw(t, "met") {
		d.LastHandshake = at(rapid.IntRange(0, 5).Draw(t, "second"))
	}
	return d
}

func drawFew(t *rapid.T) (groups []fleet.GroupID) {
	for g := range fleet.GroupID(3) {
		if rapid.Bool().Draw(t, "in group") {
			groups = append(groups, g+1)
		}
	}
	return groups
}

func drawQuery(t *rapid.T) fleet.DeviceQuery {
	q := fleet.DeviceQuery{
		Actor:   fleet.Actor{Team: 1, Role: fleet.Role(rapid.IntRange(1, 4).Draw(t, "role")), Groups: drawFew(t)},
		Product: fleet.ProductID(rapid.IntRange(0, 2).Draw(t, "of product")), Sort: fleet.DeviceSort(rapid.IntRange(0, 3).Draw(t, "sort")),
		Descending: rapid.Bool().Draw(t, "descending"), Limit: rapid.IntRange(1, 6).Draw(t, "limit"), Skip: rapid.IntRange(0, 8).Draw(t, "skip"),
	}
	choice := func(name string) *bool { return rapid.SampledFrom([]*bool{nil, new(bool), &yea}).Draw(t, name) }
	for range rapid.IntRange(0, 2).Draw(t, "filters") {
		switch rapid.IntRange(0, 13).Draw(t, "filter") {
		case 0:
			q.Groups = []fleet.GroupID{fleet.GroupID(rapid.IntRange(1, 3).Draw(t, "group"))}
		case 1:
			q.NamePart = rapid.SampledFrom([]string{"ETA", "a", "ä"}).Draw(t, "name part")
		case 2:
			q.NamePrefix = rapid.SampledFrom([]string{"al", "b", "Ä", "zz"}).Draw(t, "prefix")
		case 3:
			q.IDPart = rapid.SampledFrom([]string{"d1", "D"}).Draw(t, "id part")
		case 4:
			q.Version = version("7")
		case 5:
			q.Development = choice("developing")
		case 6:
			q.Locked = choice("being locked")
		case 7:
			q.Online = choice("online")
		case 8:
			q.Gateway = "D3"
		case 9:
			q.NoGroup = true
		case 10:
			q.NoVersion = true
		case 11:
			q.Kinds = []fleet.DeviceKind{fleet.BLE}
		case 12:
			q.Updates, q.UpdateTo = []fleet.UpdateState{1, 2}, version("7.0.0")
		case 13:
			q.IDs = []fleet.DeviceID{"D1", "D2", "D3", "D4", "D2", "nobody"}
		}
	}
	return q
}

var yea = true

func naiveSelects(q *fleet.DeviceQuery, d *fleet.Device, all map[fleet.DeviceID]*fleet.Device) bool {
	held := len(q.Groups) == 0
	for _, g := range q.Groups {
		held = held || slices.Contains(d.Groups, g) && (!q.Actor.Role.Restricted() || slices.Contains(q.Actor.Groups, g))
	}
	seen := slices.ContainsFunc(d.Groups, func(g fleet.GroupID) bool {
		return !q.Actor.Role.Restricted() || slices.Contains(q.Actor.Groups, g)
	})
	return held && fleet.Sees(q.Actor, d, all[d.Gateway]) &&
		!(q.NoGroup && seen) && !(q.NoVersion && !d.Running.IsZero()) &&
		(q.Product == 0 || q.Product == d.Product) &&
		strings.Contains(strings.ToLower(d.Name), strings.ToLower(q.NamePart)) &&
		strings.HasPrefix(strings.ToLower(d.Name), strings.ToLower(q.NamePrefix)) &&
		strings.Contains(strings.ToLower(string(d.ID)), strings.ToLower(q.IDPart)) &&
		(q.IDs == nil || slices.Contains(q.IDs, d.ID)) &&
		(len(q.Kinds) == 0 || slices.Contains(q.Kinds, d.Kind)) &&
		(len(q.Updates) == 0 || slices.Contains(q.Updates, d.Update.State)) &&
		(q.UpdateTo.IsZero() || d.Update.To.Equal(q.UpdateTo)) &&
		(q.Locked == nil || *q.Locked == !d.Lock.IsZero()) &&
		(q.Version.IsZero() || d.Running.Equal(q.Version)) &&
		(q.Development == nil || *q.Development == d.Development) &&
		(q.Gateway == "" || d.Gateway == q.Gateway)
}

func naiveCompare(q *fleet.DeviceQuery, a, b *fleet.Device) int {
	c := 0
	switch q.Sort {
	case fleet.ByName:
		c = strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name))
	case fleet.ByVersion:
		c = a.Running.Compare(b.Running)
	case fleet.ByLastHandshake:
		c = a.LastHandshake.Compare(b.LastHandshake)
	}
	if c == 0 {
		c = strings.Compare(string(a.ID), string(b.ID))
	}
	if q.Descending {
		return -c
	}
	return c
}

func TestPresenceIsKeptForADeviceNotReadYet(t *testing.T) {
	s := openEphemeral(t)
	s.Devices.SetOnline("a", true)
	s.Devices.SetOnline("b", true)
	s.Devices.SetOnline("b", false)
	for _, id := range []fleet.DeviceID{"a", "b"} {
		must(t, s.Devices.Create(t.Context(), newDevice(id)))
		if e := got[fleet.IndexEntry](t)(s.Index.Entry(id)); e.Online != (id == "a") {
			t.Errorf("device %s: online %v", id, e.Online)
		}
	}
	got[fleet.Device](t)(s.Devices.Edit(t.Context(), "a", func(*fleet.Device) error { return nil }))
	if e := got[fleet.IndexEntry](t)(s.Index.Entry("a")); !e.Online {
		t.Error("a save took the device offline")
	}
}

func TestListsAreUnavailableUntilTheIndexIsBuilt(t *testing.T) {
	x := newIndex(openEphemeral(t).core)
	if _, err := x.Find(fleet.DeviceQuery{}); !errors.Is(err, fleet.Unavailable) {
		t.Errorf("got %v, want unavailable", err)
	}
}

func TestADeviceDeletedWhileTheIndexIsBuiltStaysDeleted(t *testing.T) {
	x := newIndex(openEphemeral(t).core)
	stale := newDevice("a")
	x.remove("a")
	x.putRead(stale)
	if _, ok := x.places["a"]; ok {
		t.Error("a record read before the deletion came back")
	}
	stale.Revision = 5
	x.put(stale) // created again
	if _, ok := x.places["a"]; !ok {
		t.Error("the device created again is missing")
	}
}

func TestADeletionDuringTheReadOfARecordIsNotUndone(t *testing.T) {
	x := newIndex(openEphemeral(t).core)
	for i := range 2000 {
		d := newDevice(fleet.DeviceID(fmt.Sprint(i)))
		var both sync.WaitGroup
		both.Go(func() { x.putRead(d) })
		both.Go(func() { x.remove(d.ID) })
		both.Wait()
	}
	if len(x.places) > 0 {
		t.Errorf("%d deleted devices are listed", len(x.places))
	}
}

func TestACursorOfAnotherOrderIsInvalid(t *testing.T) {
	s := openEphemeral(t)
	for i := range 3 {
		must(t, s.Devices.Create(t.Context(), newDevice(fleet.DeviceID(fmt.Sprint(i)))))
	}
	q := fleet.DeviceQuery{Actor: fleet.Actor{Team: 1, Role: fleet.Admin}, Limit: 1}
	page := got[fleet.DevicePage](t)(s.Index.Find(q))
	q.After, q.Sort = page.Next, fleet.ByName
	if _, err := s.Index.Find(q); !errors.Is(err, fleet.Invalid) {
		t.Errorf("got %v, want invalid", err)
	}
	if _, err := s.Index.Find(fleet.DeviceQuery{Actor: q.Actor, Skip: fleet.MaxSkip + 1}); !errors.Is(err, fleet.Invalid) {
		t.Errorf("a skip too far: got %v, want invalid", err)
	}
}
