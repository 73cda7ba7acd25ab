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

// west is a third group of these tests: a device may be in several that release.
const west fleet.GroupID = gadgets + 1

// TestImpactIsWhatTheRulesSayDeviceByDevice makes random fleets, firmware with conditions, releases
// at any share, and edits, carries each change out, and asks precedence for each device before and
// after it: who is moved, to which version, and who is not, and why.
func TestImpactIsWhatTheRulesSayDeviceByDevice(t *testing.T) {
	t.Parallel()
	w := empty(t)
	if g, err := w.Store.Teams.CreateGroup(t.Context(), fleet.Group{Team: team, Name: "west"}); err != nil || g.ID != west {
		t.Fatal(g, err)
	}
	for _, version := range []string{"1", "2", "3"} {
		w.AddFirmware(version, 100)
	}
	rapid.Check(t, func(rt *rapid.T) {
		w.Clear()
		drawConditions(rt, w)
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
			concerned = func(d fleet.Device) bool { return touches(order, before, w.Catalog(), d) }
		} else {
			ids, lock, groups := drawEdit(rt)
			got, err = w.Preview(t.Context(), actor, product, ids, func(e *fleet.IndexEntry) { e.Lock, e.Groups = lock, groups })
			if err != nil {
				rt.Fatal(err)
			}
			concerned = func(d fleet.Device) bool {
				return slices.Contains(fleet.DevicesIn(team, ids), d.ID) || ids == nil && (d.Lock != lock || !slices.Equal(d.Groups, groups))
			}
			for id, d := range old {
				if concerned(d) {
					w.Edit(id, func(d *fleet.Device) { d.Lock, d.Groups = lock, groups })
				}
			}
		}

		w.compare(rt, got, admitted{actor, concerned, released}, before, w.Catalog(), old, w.all())
	})
}

// admitted is whose view of a change an impact is, which devices it looks at, and the version that is
// released, if one is.
type admitted struct {
	actor     fleet.Actor
	concerned func(fleet.Device) bool
	released  fleet.Version
}

// compare compares an impact with what the rules say of each device, as it is before a change and
// as it is after it.
func (w *world) compare(t *rapid.T, got fleet.Impact, view admitted, before, after *fleet.Catalog, old, changed map[fleet.DeviceID]fleet.Device) {
	total, of, versions, blocked := 0, 0, map[fleet.Version]int{}, map[string]int{}
	for id, d := range old {
		gateway := old[d.Gateway]
		if !fleet.Sees(view.actor, &d, &gateway) || !view.concerned(d) {
			continue
		}
		of++
		now := changed[id]
		from, _, _ := precedence.Decide(precedence.Of(&d), before)
		to, _, _ := precedence.Decide(precedence.Of(&now), after)
		if to.Valid() && !to.Equal(from) && !to.Equal(d.Running) {
			total++
			versions[to]++
		}
		if reason := w.hindrance(&d, &now, before, after, to, view.released); reason != "" {
			blocked[reason]++
		}
	}
	for _, row := range got.Blocked {
		if blocked[row.Reason] != row.Devices {
			t.Fatalf("blocked, %s: got %d devices, want %d", row.Reason, row.Devices, blocked[row.Reason])
		}
	}
	for _, row := range got.ByVersion {
		if versions[row.Version] != row.Devices {
			t.Fatalf("version %s: got %d devices, want %d", row.Version, row.Devices, versions[row.Version])
		}
	}
	if got.Total != total || got.Of != of || len(got.ByVersion) != len(versions) || len(got.Blocked) != len(blocked) {
		t.Fatalf("got %+v, want %d of %d, %v, blocked %v", got, total, of, versions, blocked)
	}
}

// TestImpactAtEveryShareIsWhatTheRulesSay has 200 devices of a few kinds, so that borders go through
// each. Releases stand at any share, and what is released has a first stage of any share, of some
// devices or of a group.
func TestImpactAtEveryShareIsWhatTheRulesSay(t *testing.T) {
	t.Parallel()
	w := empty(t)
	if _, err := w.Store.Teams.CreateGroup(t.Context(), fleet.Group{Team: team, Name: "west"}); err != nil {
		t.Fatal(err)
	}
	for _, version := range []string{"1", "2", "3"} {
		w.AddFirmware(version, 100)
	}
	revisions, sets := []string{"", "rev-a", "rev-b"}, [][]fleet.GroupID{nil, {beta}, {eu}, {beta, eu}, {beta, eu, west}}
	for i := range 200 {
		w.Device(fleet.DeviceID(fmt.Sprint("d", i)), fmt.Sprint(i%4), func(d *fleet.Device) { // version 0 was never uploaded
			d.Groups, d.Hardware = sets[i%len(sets)], revisions[i%len(revisions)]
		})
	}
	devices := w.all()
	borders := 0
	rapid.Check(t, func(rt *rapid.T) {
		w.EditCatalog(func(c *fleet.Catalog) {
			clear(c.Groups)
			clear(c.Staged)
			clear(c.Ended)
			c.Default = v("1")
		})
		drawConditions(rt, w)
		drawStaged(rt, w)
		order := drawOrder(rt, admin)
		got, err := w.Impact(t.Context(), admin, product, order)
		after, begun, failed := w.Foresee(t.Context(), admin, product, order)
		if failed != nil || err != nil {
			if fmt.Sprint(err) != fmt.Sprint(failed) {
				rt.Fatalf("impact said %v, the release %v", err, failed)
			}
			return
		}
		if len(begun) > 0 && got.Total > 0 && got.Total < got.Of {
			borders++
		}
		before := w.Catalog()
		concerned := func(d fleet.Device) bool { return touches(order, before, after, d) }
		w.compare(rt, got, admitted{admin, concerned, order.Version}, before, after, devices, devices)
	})
	if borders == 0 {
		t.Error("no border of a release went through the devices")
	}
}

// touches reports whether an order concerns a device: it, or a group of the device, is released to, or
// what is released there changes.
func touches(order fleet.ReleaseOrder, before, after *fleet.Catalog, d fleet.Device) bool {
	return order.Groups == nil || order.Default != nil && *order.Default || before.Moved(after, 0) ||
		slices.ContainsFunc(d.Groups, func(g fleet.GroupID) bool {
			return slices.Contains(*order.Groups, g) || before.Moved(after, g)
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
func (w *world) hindrance(d, now *fleet.Device, before, after *fleet.Catalog, to, released fleet.Version) string {
	gives := func(from, to fleet.Version) bool {
		return to.Valid() && !to.Equal(from) && !to.Equal(d.Running)
	}
	from, _, _ := precedence.Decide(precedence.Of(d), before)
	due := to.Equal(released) && from.Equal(released) && !d.Running.Equal(to) && !now.Development && now.Lock.IsZero()
	if !due && !gives(from, to) {
		old, _, _ := precedence.Decide(precedence.Facts{ID: d.ID, Running: d.Running, Groups: d.Groups}, before)
		released, _, _ := precedence.Decide(precedence.Facts{ID: d.ID, Running: d.Running, Groups: now.Groups}, after)
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
	if reason := condition(after, now, to); reason != "" && !now.Disabled {
		return reason
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

// condition is what keeps a device from firmware to, by the firmware's conditions alone.
func condition(c *fleet.Catalog, d *fleet.Device, to fleet.Version) string {
	firmware, _ := c.Find(to)
	runs, _ := c.Find(d.Running)
	switch {
	case !suits(firmware, d):
		return "wrong_hardware"
	case firmware.Floor < runs.Floor:
		return "below_floor"
	case !leads(c, d, d.Running, runs.Floor, firmware):
		return "no_way"
	case d.MaxImage > 0 && d.MaxImage < uint64(firmware.Size):
		return "too_large"
	}
	return ""
}

func suits(f fleet.Firmware, d *fleet.Device) bool {
	return len(f.Hardware) == 0 || slices.Contains(f.Hardware, d.Hardware)
}

// leads reports whether a device gets from a version to firmware by versions between the two, whatever
// the order: the rule once more, without an order in which they are tried.
func leads(c *fleet.Catalog, d *fleet.Device, at fleet.Version, floor uint32, to fleet.Firmware) bool {
	if to.Requires.Has(at) && (to.Requires.IsAll() || to.Floor >= floor) {
		return true
	}
	for _, f := range c.Firmware {
		low, high := at, to.Version
		if at.Valid() && at.Compare(high) > 0 {
			low, high = high, at
		}
		fits := suits(f, d) && (d.MaxImage == 0 || d.MaxImage >= uint64(f.Size))
		if f.Version.Compare(low) > 0 && f.Version.Compare(high) < 0 && fits && f.Requires.Has(at) && f.Floor >= floor && leads(c, d, f.Version, f.Floor, to) {
			return true
		}
	}
	return false
}

// drawConditions gives the firmware conditions.
func drawConditions(t *rapid.T, w *world) {
	w.EditCatalog(func(c *fleet.Catalog) {
		for n := range 3 {
			f := c.Firmware[v(fmt.Sprint(n+1)).Key()]
			f.Hardware, f.Requires, f.Floor = nil, fleet.Range{}, uint32(rapid.IntRange(0, 5).Draw(t, "floor")/4)
			if rapid.IntRange(0, 3).Draw(t, "for hardware") == 0 {
				f.Hardware = rapid.SampledFrom([][]string{{"rev-b"}, {"rev-a", "rev-b"}}).Draw(t, "hardware")
			}
			if rapid.IntRange(0, 2).Draw(t, "over versions") == 0 {
				f.Requires.From = v(fmt.Sprint(rapid.IntRange(1, n+1).Draw(t, "from")))
			}
			c.Firmware[f.Version.Key()] = f
		}
	})
}

func drawGroups(t *rapid.T, label string) (groups []fleet.GroupID) {
	for _, g := range []fleet.GroupID{beta, eu, west} {
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
	for _, g := range []fleet.GroupID{beta, eu, west} {
		if version := drawVersion(t, "release"); !version.IsZero() {
			w.ReleaseTo(g, version.String())
		}
	}
	drawStaged(t, w)
	var kinds []fleet.Device // each of some devices: a release's border goes through them
	for range rapid.IntRange(1, 5).Draw(t, "kinds") {
		kinds = append(kinds, drawDevice(t))
	}
	for i := range rapid.IntRange(0, 20).Draw(t, "devices") {
		kind := rapid.SampledFrom(kinds).Draw(t, "kind")
		w.Device(fleet.DeviceID(fmt.Sprint("d", i)), kind.Running.String(), func(d *fleet.Device) {
			kind.ID, kind.Team, kind.Product = d.ID, d.Team, d.Product
			*d = kind
			if d.Kind == fleet.BLE {
				d.Gateway = fleet.DeviceID(fmt.Sprint("d", rapid.IntRange(0, 11).Draw(t, "gateway")))
			}
		})
	}
}

// drawDevice is what some devices have in common.
func drawDevice(t *rapid.T) fleet.Device {
	d := fleet.Device{
		Running: v(rapid.SampledFrom([]string{"", "1", "2", "3", "3.0.0", "9", "junk"}).Draw(t, "running")),
		Groups:  drawGroups(t, "in"), Development: rapid.IntRange(0, 7).Draw(t, "development") == 0,
		Hardware:  rapid.SampledFrom([]string{"", "rev-a", "rev-b"}).Draw(t, "revision"),
		MaxImage:  rapid.SampledFrom([]uint64{0, 0, 0, 99, 100}).Draw(t, "max image"),
		UpdatesOn: rapid.IntRange(0, 3).Draw(t, "updates on") > 0, Force: rapid.IntRange(0, 3).Draw(t, "force") == 0,
		Disabled: rapid.IntRange(0, 7).Draw(t, "disabled") == 0,
		Attempts: fleet.Attempts{
			Target: drawVersion(t, "tried"), Spent: rapid.IntRange(0, 4).Draw(t, "spent"), Held: rapid.IntRange(0, 3).Draw(t, "held") == 0,
		},
	}
	if rapid.IntRange(0, 5).Draw(t, "locked") == 0 {
		d.Lock = drawVersion(t, "lock")
	}
	if rapid.IntRange(0, 3).Draw(t, "BLE") == 0 {
		d.Kind = fleet.BLE
	}
	return d
}

// drawStaged puts releases with a plan over what is released, also one over the other, at any
// share and in any state.
func drawStaged(t *rapid.T, w *world) {
	for _, target := range []fleet.GroupID{0, beta, eu, west} {
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
				r.Share = fleet.Share(rapid.IntRange(0, int(fleet.Whole)).Draw(t, "share"))
				r.State = rapid.SampledFrom([]fleet.ReleaseState{fleet.ReleaseRunning, fleet.ReleaseHalted, fleet.ReleasePaused}).Draw(t, "state")
				c.SetStaged(r)
			})
		}
	}
}

func drawPlan(t *rapid.T) fleet.ReleasePlan {
	first := fleet.Share(rapid.IntRange(1, 9999).Draw(t, "first share"))
	stage := rapid.SampledFrom([]fleet.ReleaseStage{{Share: first}, {Share: first}, {Devices: 1 + int(first)%9}, {Group: west}}).Draw(t, "first stage")
	return fleet.ReleasePlan{Stages: []fleet.ReleaseStage{stage, {Share: fleet.Whole}}, Sample: 20, Halt: fleet.ReleaseHalt{Return: time.Hour}}
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
