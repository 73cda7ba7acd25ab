package main

import "testing"

func TestTotalIsOfAListOrOfAnImpact(t *testing.T) {
	for name, row := range map[string]struct {
		answer string
		want   int
	}{
		"list":   {`{"devices":[{"id":"a"}],"customers":[],"meta":{"total_pages":1,"page":1,"per_page":25,"total":7}}`, 7},
		"impact": {`{"devices":{"firmware_update":{"total":5,"by_version":[{"version":2,"total":3}]},"of":9,"blocked":[]}}`, 5},
		"batch":  {`{"ok":true,"impact":{"devices":{"firmware_update":{"total":4,"by_version":[]},"of":4,"blocked":[]}}}`, 4},
	} {
		if got := total([]byte(row.answer)); got != row.want {
			t.Errorf("%s: got %d, want %d", name, got, row.want)
		}
	}
}

// TestDevicesOfTheFleetDiffer: two devices with one id would be one.
func TestDevicesOfTheFleetDiffer(t *testing.T) {
	const devices = 1_000_000
	ids := make(map[string]bool, devices)
	for n := range devices {
		ids[nameOf(n)] = true
	}
	if len(ids) != devices {
		t.Errorf("%d ids for %d devices", len(ids), devices)
	}
	if seen := seenFrom(smallGroup); !seen(1) || seen(0) || !seen(10) {
		t.Error("who holds the small group sees its members and those of no group, and no others")
	}
}
