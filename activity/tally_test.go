package activity

import (
	"testing"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

func TestReasonsThatDevicesMakeUpAreCountedAsOther(t *testing.T) {
	counted := newTallies()
	for n := range 60_000 {
		counted.ended(&fleet.Device{Product: 1}, fleet.Update{State: fleet.Failed, Reason: fleet.ReasonCode(n)})
	}
	got := counted.read(1, 0).Failures
	if len(got) > 100 || got[wire.ReasonStorage] != 1 || got[wire.ReasonOther] < 50_000 {
		t.Errorf("got %d reasons: %v", len(got), got)
	}
}

func TestADeviceIsCountedInItsProductAndEachOfItsGroups(t *testing.T) {
	counted := newTallies()
	for _, groups := range [][]fleet.GroupID{nil, {7}, {7, 8}} {
		d := &fleet.Device{Product: 1, Groups: groups}
		counted.handshake(d)
		counted.ended(d, fleet.Update{State: fleet.RolledBack, Reason: wire.ReasonStorage})
		counted.ended(d, fleet.Update{State: fleet.Confirmed})
	}
	for group, want := range map[fleet.GroupID]int{0: 3, 7: 2, 8: 1, 9: 0} {
		if got := counted.read(1, group); got.Handshakes != uint64(want) || got.Failures[wire.ReasonStorage] != want {
			t.Errorf("group %d: got %+v, want %d of each", group, got, want)
		}
	}
	if got := counted.read(2, 7); got.Handshakes != 0 {
		t.Errorf("the same group in another product: %+v", got)
	}
}
