package ota

import (
	"fmt"
	"testing"

	"github.com/muster-iot/muster/fleet"
)

// crowd is an index of many devices.
type crowd []fleet.IndexEntry

func (c crowd) Each(_ fleet.TeamID, _ fleet.ProductID, yield func(*fleet.IndexEntry) bool) error {
	for i := range c {
		if !yield(&c[i]) {
			break
		}
	}
	return nil
}

func (c crowd) Entry(id fleet.DeviceID) (fleet.IndexEntry, error) {
	return fleet.IndexEntry{}, fleet.Errorf(fleet.NotFound, "no such device: %s", id)
}

func BenchmarkImpact1M(b *testing.B) {
	w := shop(b)
	w.catalog.Default = v("1")
	w.catalog.Groups[beta] = v("2")
	sets := [][]fleet.GroupID{nil, {beta}, {eu}, {beta, eu}, {eu, 17}, {21, 22, 23}}
	all := make(crowd, 1_000_000)
	for i := range all {
		all[i] = fleet.IndexEntry{
			ID: fleet.DeviceID(fmt.Sprintf("device-%07d", i)), Product: product, Groups: sets[i%len(sets)],
			Running: v([]string{"1", "2"}[i%2]), UpdatesOn: true, Development: i%100 == 0,
		}
	}
	w.index = all
	yes := true
	for b.Loop() {
		impact, err := w.Impact(b.Context(), admin, product, fleet.ReleaseOrder{Version: v("3"), Groups: groups(eu), Default: &yes})
		if err != nil || impact.Of != len(all) || impact.Total == 0 {
			b.Fatalf("got %+v, %v", impact, err)
		}
	}
}
