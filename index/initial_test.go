package index

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestDevicesWrittenWhileTheOthersAreSortedFindTheirPlace writes before, between and after
// the steps of sorting, and compares each order with the sorted rows.
func TestDevicesWrittenWhileTheOthersAreSortedFindTheirPlace(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := New()
		edit := func(label string) {
			for range rapid.IntRange(0, 30).Draw(t, label) {
				d := drawSmall(t)
				if rapid.IntRange(0, 3).Draw(t, "gone") == 0 {
					x.Remove(d.ID)
				} else {
					x.Put(&d)
				}
			}
		}
		edit("before")
		for _, s := range x.beginSorting() {
			edit("before they are read")
			rows, ranks := x.sortables(s)
			edit("while they are sorted")
			x.install(s, sortedRows(rows, ranks))
		}
		edit("after")
		for _, s := range x.shards {
			var want []int32
			for _, at := range x.locations {
				want = append(want, at.row)
			}
			for by := range s.orders {
				slices.SortFunc(want, s.orders[by].compare)
				if got := slices.Concat(s.orders[by].chunks...); !slices.Equal(got, want) {
					t.Fatalf("order %d: got %v, want %v", by, got, want)
				}
			}
		}
	})
}

// TestFilledChunksTakeMore fills an order with more rows than a chunk holds.
func TestFilledChunksTakeMore(t *testing.T) {
	s := ordering{compare: func(a, b int32) int { return int(a - b) }}
	var want []int32
	for row := range int32(3 * chunkRows) {
		want = append(want, row)
	}
	s.fill(slices.DeleteFunc(slices.Clone(want), func(row int32) bool { return row%7 == 3 }))
	for row := int32(3); row < 3*chunkRows; row += 7 {
		s.insert(row)
	}
	if got := slices.Concat(s.chunks...); !slices.Equal(got, want) {
		t.Fatal(fmt.Sprint("got ", got))
	}
}
