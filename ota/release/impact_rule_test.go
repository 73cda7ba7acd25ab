package release

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/ota/precedence"
)

// TestImpactIsWhatTheRulesSayDeviceByDevice makes random fleets, releases and edits,
// carries each change out, and asks precedence for each device before and after it: who is
// moved, to which version, and who is not, and why.
func TestImpactIsWhatTheRulesSayDeviceByDevice(t *testing.T) {
	w := empty(t)
	for _, version := range []string{"1", "2", "3"} {
		w.AddFirmware(version, 100)
	}
	rapid.Check(t, func(rt *rapid.T) {
		w.Clear()
		drawFleet(rt, w)
		actor := rapid.SampledFrom([]fleet.Actor{admin, editor}).Draw(rt, "actor")
		before := clone(w.Catalog())
		old := w.all()

		var got fleet.Impact
		var err error
		var concerned func(d fleet.Device) bool
		var released fleet.Version
		if rapid.Bool().Draw(rt, "release") {
			order := drawOrder(rt, actor)
			released = order.Version
			got, err = w.Impact(t.Context(), actor, product, order)
			if _, failed := w.Release(t.Context(), actor, product, order); failed != nil || err != nil {
				if fmt.Sprint(err) != fmt.Sprint(failed) {
					rt.Fatalf("impact said %v, the release %v", err, failed)
				}
				return
			}
			concerned = func(d fleet.Device) bool {
				return order.Groups == nil || order.Default != nil && *order.Default || before.Moved(w.Catalog(), 0) ||
					slices.ContainsFunc(d.Groups, func(g fleet.GroupID) bool {
						return slices.Contains(*order.Groups, g) || before.Moved(w.Catalog(), g)
					})
			}
		} else {
			ids, lock, groups := drawEdit(rt)
			got, err = w.Preview(t.Context(), actor, product, ids, func(e *fleet.IndexEntry) { e.Lock, e.Groups = lock, groups })
			if err != nil {
				rt.Fatal(err)
			}
			concerned = func(d fleet.Device) bool {
				return slices.Contains(ids, d.ID) || ids == nil && (d.Lock != lock || !slices.Equal(d.Groups, groups))
			}
			for id, d := range old {
				if concerned(d) {
					w.Edit(id, func(d *fleet.Device) { d.Lock, d.Groups = lock, groups })
				}
			}
		}

		changed := w.all()
		total, of, versions, blocked := 0, 0, map[fleet.Version]int{}, map[string]int{}
		for id, d := range old {
			gateway := old[d.Gateway]
			if !fleet.Sees(actor, &d, &gateway) || !concerned(d) {
				continue
			}
			of++
			now := changed[id]
			from, _, _ := precedence.Decide(precedence.Of(&d), before)
			to, _, _ := precedence.Decide(precedence.Of(&now), w.Catalog())
			if to.Valid() && !to.Equal(from) && !to.Equal(d.Running) {
				total++
				versions[to]++
			}
			if reason := hindrance(w, &d, &now, before, to, released); reason != "" {
				blocked[reason]++
			}
		}
		for _, row := range got.Blocked {
			if blocked[row.Reason] != row.Devices {
				rt.Fatalf("blocked, %s: got %d devices, want %d", row.Reason, row.Devices, blocked[row.Reason])
			}
		}
		for _, row := range got.ByVersion {
			if versions[row.Version] != row.Devices {
				rt.Fatalf("version %s: got %d devices, want %d", row.Version, row.Devices, versions[row.Version])
			}
		}
		if got.Total != total || got.Of != of || len(got.ByVersion) != len(versions) || len(got.Blocked) != len(blocked) {
			rt.Fatalf("got %+v, want %d of %d, %v, blocked %v", got, total, of, versions, blocked)
		}
	})
}

// all is every device of the fleet.
func (w *world) all() map[fleet.DeviceID]fleet.Device {
	w.T.Helper()
	ids, err := w.index.IDs(fleet.DeviceQuery{Actor: admin, Product: product})
	if err != nil {
		w.T.Fatal(err)
	}
	devices := make(map[fleet.DeviceID]fleet.Device, len(ids))
	for _, id := range ids {
		devices[id] = w.Record(id)
	}
	return devices
}

// hindrance is why a device does not get what the change would give it, or what it is to have
// already when that is what is released, "" when it does or there is nothing for it. d is the device before the change and now after it.
func hindrance(w *world, d, now *fleet.Device, before *fleet.Catalog, to, released fleet.Version) string {
	gives := func(from, to fleet.Version) bool {
		return to.Valid() && !to.Equal(from) && !to.Equal(d.Running)
	}
	from, _, _ := precedence.Decide(precedence.Of(d), before)
	due := to.Equal(released) && from.Equal(released) && !d.Running.Equal(to) && !now.Development && now.Lock.IsZero()
	if !due && !gives(from, to) {
		old, _, _ := precedence.Decide(precedence.Facts{ID: d.ID, Running: d.Running, Groups: d.Groups}, before)
		released, _, _ := precedence.Decide(precedence.Facts{ID: d.ID, Running: d.Running, Groups: now.Groups}, w.Catalog())
		switch {
		case !gives(old, released):
			return ""
		case now.Development:
			return "development"
		case !now.Lock.IsZero():
			return "locked"
		}
		return ""
	}
	tried := due && now.Attempts.Target.Equal(to) // at this target, which did not change
	switch {
	case now.Disabled:
		return "disabled"
	case !now.UpdatesOn && !now.Force:
		return "not_now"
	case tried && now.Attempts.Held:
		return "held"
	case tried && now.Attempts.Spent >= w.updates.MaxAttempts():
		return "exhausted"
	}
	return ""
}

func drawGroups(t *rapid.T, label string) (groups []fleet.GroupID) {
	for _, g := range []fleet.GroupID{beta, eu} {
		if rapid.Bool().Draw(t, label) {
			groups = append(groups, g)
		}
	}
	return fleet.SortGroups(groups)
}

func drawVersion(t *rapid.T, label string) fleet.Version {
	return v(rapid.SampledFrom([]string{"", "1", "2", "3"}).Draw(t, label))
}

func drawFleet(t *rapid.T, w *world) {
	w.Default(drawVersion(t, "default").String())
	for _, g := range []fleet.GroupID{beta, eu} {
		if version := drawVersion(t, "release"); !version.IsZero() {
			w.ReleaseTo(g, version.String())
		}
	}
	drawStaged(t, w)
	for i := range rapid.IntRange(0, 12).Draw(t, "devices") {
		w.Device(fleet.DeviceID(fmt.Sprint("d", i)), rapid.SampledFrom([]string{"", "1", "2", "3", "3.0.0", "9", "junk"}).Draw(t, "running"), func(d *fleet.Device) {
			d.Groups = drawGroups(t, "in")
			d.Development = rapid.IntRange(0, 4).Draw(t, "development") == 0
			if rapid.IntRange(0, 3).Draw(t, "locked") == 0 {
				d.Lock = drawVersion(t, "lock")
			}
			d.UpdatesOn = rapid.IntRange(0, 3).Draw(t, "updates on") > 0
			d.Force = rapid.IntRange(0, 3).Draw(t, "force") == 0
			d.Disabled = rapid.IntRange(0, 5).Draw(t, "disabled") == 0
			d.Attempts = fleet.Attempts{
				Target: drawVersion(t, "tried"), Spent: rapid.IntRange(0, 4).Draw(t, "spent"), Held: rapid.IntRange(0, 3).Draw(t, "held") == 0,
			}
			if rapid.IntRange(0, 3).Draw(t, "BLE") == 0 {
				d.Kind, d.Gateway = fleet.BLE, fleet.DeviceID(fmt.Sprint("d", rapid.IntRange(0, 11).Draw(t, "gateway")))
			}
		})
	}
}

// drawStaged puts releases with a plan over what is released, also one over the other, at any
// share and in any state.
func drawStaged(t *rapid.T, w *world) {
	for _, target := range []fleet.GroupID{0, beta, eu} {
		for range rapid.IntRange(0, 2).Draw(t, "releases with a plan") {
			version := v(rapid.SampledFrom([]string{"1", "2", "3"}).Draw(t, "staged"))
			w.EditCatalog(func(c *fleet.Catalog) {
				if c.At(target).Equal(version) {
					return
				}
				r, err := c.Begin(fleet.Release{Group: target, Version: version, Plan: drawPlan(t)}, time.Now())
				if err != nil {
					return // it stood below one that gave nothing
				}
				r.Share = fleet.Share(rapid.SampledFrom([]int{0, 1, 2500, 5000, 9999, 10_000}).Draw(t, "share"))
				r.State = rapid.SampledFrom([]fleet.ReleaseState{fleet.ReleaseRunning, fleet.ReleaseHalted, fleet.ReleasePaused}).Draw(t, "state")
				c.SetStaged(r)
			})
		}
	}
}

func drawPlan(t *rapid.T) fleet.ReleasePlan {
	first := fleet.Share(rapid.IntRange(1, 9999).Draw(t, "first share"))
	return fleet.ReleasePlan{Stages: []fleet.ReleaseStage{{Share: first}, {Share: fleet.Whole}}, Sample: 20, Halt: fleet.ReleaseHalt{Return: time.Hour}}
}

func drawOrder(t *rapid.T, actor fleet.Actor) fleet.ReleaseOrder {
	order := fleet.ReleaseOrder{Version: v(rapid.SampledFrom([]string{"1", "2", "3"}).Draw(t, "version"))}
	if rapid.Bool().Draw(t, "with groups") {
		list := drawGroups(t, "to")
		order.Groups = &list
	}
	if !actor.Role.Restricted() && rapid.Bool().Draw(t, "with default") {
		order.Default = flag(rapid.Bool().Draw(t, "as default"))
	}
	if rapid.Bool().Draw(t, "with a plan") {
		plan := drawPlan(t)
		order.Plan = &plan
	}
	return order
}

// drawEdit makes ids nil for an edit of all devices.
func drawEdit(t *rapid.T) (ids []fleet.DeviceID, lock fleet.Version, groups []fleet.GroupID) {
	if rapid.Bool().Draw(t, "some") {
		ids = []fleet.DeviceID{}
		for i := range 12 {
			if rapid.Bool().Draw(t, "edited") {
				ids = append(ids, fleet.DeviceID(fmt.Sprint("d", i)))
			}
		}
	}
	return ids, drawVersion(t, "lock to"), drawGroups(t, "now in")
}
