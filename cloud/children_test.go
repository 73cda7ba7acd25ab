package cloud

import (
	"fmt"
	"testing"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

// TestPartingOfOthersDelaysNoDevice: else disabling thousands of devices would keep those of
// any gateway from being carried.
func TestPartingOfOthersDelaysNoDevice(t *testing.T) {
	c := &conductor{sessions: map[fleet.DeviceID]*session{}}
	same := 0
	for n := range 1000 {
		before := c.parted("ble")
		c.part(fleet.DeviceID(fmt.Sprint(n)))
		if c.parted("ble") != before {
			same++
		}
	}
	if same > 50 { // 4 are to be expected
		t.Errorf("%d of 1,000 partings concerned another device", same)
	}
	before := c.parted("ble")
	if c.part("ble"); c.parted("ble") == before {
		t.Error("its own parting goes unnoticed")
	}
}

func TestReasonsThatDevicesMakeUpAreCountedAsOther(t *testing.T) {
	counted := newTallies()
	for n := range 60_000 {
		counted.ended(1, fleet.Update{State: fleet.Failed, Reason: fleet.ReasonCode(n)})
	}
	got := counted.Tally(1).Failures
	if len(got) > 100 || got[wire.ReasonStorage] != 1 || got[wire.ReasonOther] < 50_000 {
		t.Errorf("got %d reasons: %v", len(got), got)
	}
}
