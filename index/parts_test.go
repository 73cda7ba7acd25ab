package index

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/muster-iot/muster/fleet"
)

// TestCountsByPartsAreTheDevicesOfEachSide compares Count with a walk over the devices, while
// these come, change and go: each part's devices are on the same side of every split as the
// device that stands for it.
func TestCountsByPartsAreTheDevicesOfEachSide(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := New()
		x.Finish()
		devices := map[fleet.DeviceID]fleet.Device{}
		for i := range rapid.IntRange(0, 60).Draw(t, "writes") {
			id := fleet.DeviceID(fmt.Sprint("d", rapid.IntRange(0, 30).Draw(t, "device"))).In(1)
			switch rapid.IntRange(0, 4).Draw(t, "write") {
			case 0:
				x.Remove(id)
				delete(devices, id)
			case 1:
				x.SetOnline(id, rapid.Bool().Draw(t, "online"))
			default:
				d := fleet.Device{ID: id, Team: 1, Product: 1, Revision: uint64(i + 1), Running: fleet.WholeVersion(rapid.Uint32Range(1, 2).Draw(t, "runs"))}
				if gateway := rapid.IntRange(0, 3).Draw(t, "gateway"); gateway > 0 {
					d.Kind, d.Gateway = fleet.BLE, fleet.DeviceID(fmt.Sprint("gw", gateway)).In(1)
				}
				for g := range fleet.GroupID(2) {
					if rapid.Bool().Draw(t, "in") {
						d.Groups = append(d.Groups, g+1)
					}
				}
				x.Put(&d)
				devices[id] = d
			}
		}
		var splits []fleet.Split
		for range rapid.IntRange(0, 3).Draw(t, "splits") {
			splits = append(splits, fleet.Split{
				Group: fleet.GroupID(rapid.IntRange(0, 2).Draw(t, "of group")), Salt: rapid.Uint64().Draw(t, "salt"),
				Below: rapid.Uint64Range(0, 1<<32).Draw(t, "below"),
			})
		}
		gateways := rapid.Bool().Draw(t, "by gateway")
		if gateways {
			splits = append(splits, fleet.Split{Gateways: true})
		}
		sides := func(id fleet.DeviceID, groups []fleet.GroupID) (text string) {
			for _, split := range splits {
				if split.Gateways || split.Group != 0 && !slices.Contains(groups, split.Group) {
					continue
				}
				text += fmt.Sprint(uint64(fleet.Mix(id.Hash(), split.Salt)) < split.Below, " ")
			}
			return text
		}
		got, want := map[string]int{}, map[string]int{}
		err := x.Count(fleet.Actor{Team: 1, Role: fleet.Owner}, 1, splits, func(e *fleet.IndexEntry, n int) {
			got[fmt.Sprint(e.Running, e.Groups, sides(e.ID, e.Groups), e.Gateway)] += n
		})
		if err != nil {
			t.Fatal(err)
		}
		for id, d := range devices {
			gateway := d.Gateway
			if !gateways {
				gateway = ""
			}
			want[fmt.Sprint(d.Running, d.Groups, sides(id, d.Groups), gateway)]++
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("got  %v\nwant %v", got, want)
		}

		holds := func(e *fleet.IndexEntry) bool { // inside the first split, or behind a gateway
			return sides(e.ID, e.Groups) > "t" || gateways && e.Gateway == "gw2"
		}
		ids, err := x.IDs(fleet.DeviceQuery{Actor: fleet.Actor{Team: 1, Role: fleet.Owner}, Where: fleet.Where{Holds: holds, Splits: splits}})
		if err != nil {
			t.Fatal(err)
		}
		inside := 0
		for id, d := range devices {
			if holds(&fleet.IndexEntry{ID: id, Groups: d.Groups, Gateway: d.Gateway}) {
				inside++
			}
		}
		if len(ids) != inside {
			t.Fatalf("a condition on sides: got %d devices, want %d", len(ids), inside)
		}
	})
}
