//nolint:forbidigo // all sleeps are in synctest bubbles
package history_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/history"
	"github.com/muster-iot/muster/ota/otatest"
	"github.com/muster-iot/muster/store/timeline"
)

// group makes a group with n devices of its own, that run version 1.
func (w *world) group(t *testing.T, name string, n int) fleet.GroupID {
	t.Helper()
	g, err := w.Store.Teams.CreateGroup(t.Context(), fleet.Group{Team: otatest.Team, Name: name})
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		w.Device(fleet.DeviceID(fmt.Sprint(name, "-", i)), "1.0.0", func(d *fleet.Device) { d.Groups = []fleet.GroupID{g.ID} })
	}
	return g.ID
}

func (w *world) ofGroup(t *testing.T, h *history.History, actor fleet.Actor, group fleet.GroupID) (history.Series, error) {
	t.Helper()
	return h.Group(t.Context(), actor, otatest.Product, group, history.Query{})
}

func TestAGroupHasThePastOfItsDevices(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		kitchen := w.group(t, "kitchen", 3)
		w.group(t, "hall", 5)
		w.Store.Index.SetOnline("1/kitchen-1", true)
		h, stop := w.start(t)
		defer stop()
		time.Sleep(90 * time.Second)
		w.countIn(kitchen, 6)
		for n := range 3 {
			w.Edit(fleet.DeviceID(fmt.Sprint("kitchen-", n)), func(d *fleet.Device) { d.Running = otatest.Version("2.0.0") })
		}
		time.Sleep(3 * time.Minute)
		s, err := w.ofGroup(t, h, owner, kitchen)
		if err != nil {
			t.Fatal(err)
		}
		if s.Step != time.Minute || len(s.Points) < 3 || s.Points[0].Devices["1.0.0"] != 3 {
			t.Fatalf("got steps of %s, %+v", s.Step, s.Points)
		}
		last := s.Points[len(s.Points)-1]
		if diff := cmp.Diff(last.Devices, map[string]int{"2.0.0": 3}); diff != "" || last.Online != 1 || last.Total != 3 {
			t.Errorf("at last: %+v", last)
		}
		if handshakes, _ := counted(s); handshakes != 6 {
			t.Errorf("counted %d handshakes, want 6", handshakes)
		}
		if s.Now.Total != 3 || s.LeftOut {
			t.Errorf("now: %+v, left out: %v", s.Now, s.LeftOut)
		}
	})
}

// TestTheLargestGroupsHaveAPast has more groups than there is room for.
func TestTheLargestGroupsHaveAPast(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		h, stop := w.start(t)
		defer stop()
		var small, large []fleet.GroupID
		for n := range 40 {
			small = append(small, w.group(t, fmt.Sprint("small", n), 1))
			large = append(large, w.group(t, fmt.Sprint("large", n), 2))
		}
		time.Sleep(3 * time.Minute)
		past := func(group fleet.GroupID) (bool, bool) {
			t.Helper()
			s, err := w.ofGroup(t, h, owner, group)
			if err != nil {
				t.Fatal(err)
			}
			return len(s.Points) > 0, s.LeftOut
		}
		for n, group := range append(large, small...) {
			if has, out := past(group); has != (n < 64) || out != (n >= 64) {
				t.Errorf("group %d: has a past: %v, left out: %v", n, has, out)
			}
		}
		// A group that is deleted makes room, and so does one without devices.
		if err := w.Store.Teams.DeleteGroup(t.Context(), otatest.Team, large[0]); err != nil {
			t.Fatal(err)
		}
		w.Edit("large1-0", func(d *fleet.Device) { d.Groups = nil })
		w.Edit("large1-1", func(d *fleet.Device) { d.Groups = nil })
		time.Sleep(3 * time.Minute)
		if kept, err := w.Store.Timelines.Groups(t.Context(), otatest.Product); err != nil || len(kept) != 64 {
			t.Errorf("%d groups have a past, %v", len(kept), err)
		}
		for _, group := range []fleet.GroupID{large[0], large[1]} {
			line := timeline.Line{Product: otatest.Product, Group: group}
			if buckets, err := w.Store.Timelines.Buckets(t.Context(), line, 3, time.Time{}); err != nil || len(buckets) > 0 {
				t.Errorf("%v, which has no devices: %d days are left, %v", line, len(buckets), err)
			}
		}
		if _, err := w.ofGroup(t, h, owner, large[0]); !errors.Is(err, fleet.NotFound) {
			t.Errorf("the deleted group: %v", err)
		}
		for n, group := range small[24:26] {
			if has, out := past(group); !has || out {
				t.Errorf("small group %d, for which there is room now: has a past: %v, left out: %v", 24+n, has, out)
			}
		}
	})
}

func TestOnlyThoseWhoSeeAGroupSeeItsPast(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		h, stop := w.start(t)
		defer stop()
		kitchen, hall := w.group(t, "kitchen", 1), w.group(t, "hall", 1)
		time.Sleep(11 * time.Second)
		w.EditCatalog(func(c *fleet.Catalog) { c.Stand(0, otatest.Version("1.0.0"), time.Now()) })
		time.Sleep(11 * time.Second)
		w.EditCatalog(func(c *fleet.Catalog) { c.Stand(kitchen, otatest.Version("2.0.0"), time.Now()) })
		time.Sleep(11 * time.Second)
		w.EditCatalog(func(c *fleet.Catalog) { c.Stand(hall, otatest.Version("2.0.0"), time.Now()) })
		time.Sleep(time.Minute)
		member := fleet.Actor{Team: otatest.Team, Role: fleet.Viewer, Groups: []fleet.GroupID{kitchen}}
		for _, row := range []struct {
			name  string
			actor fleet.Actor
			group fleet.GroupID
			want  fleet.Kind // "": they see it
		}{
			{"owner", owner, hall, ""}, {"holds the group", member, kitchen, ""}, {"does not", member, hall, fleet.NotFound},
			{"another team", fleet.Actor{Team: otatest.Team + 1, Role: fleet.Owner}, kitchen, fleet.NotFound}, {"no such group", owner, 99, fleet.NotFound},
		} {
			if _, err := w.ofGroup(t, h, row.actor, row.group); row.want == "" != (err == nil) || err != nil && !errors.Is(err, row.want) {
				t.Errorf("%s: %v, want %q", row.name, err, row.want)
			}
		}
		s, err := w.ofGroup(t, h, member, kitchen)
		if err != nil || len(s.Marks) != 2 || s.Marks[0].Group != 0 || s.Marks[1].Group != kitchen {
			t.Errorf("got marks %+v, %v; want those of the product default and of the group", s.Marks, err)
		}
	})
}
