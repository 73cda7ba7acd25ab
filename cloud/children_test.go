package cloud

import (
	"fmt"
	"testing"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

// Otherwise disabling thousands of devices would keep devices behind any gateway from
// getting a session.
func TestDetachmentOfOthersDelaysNoDevice(t *testing.T) {
	c := &sessions{online: map[fleet.DeviceID]*session{}}
	same := 0
	for n := range 1000 {
		before := c.detached("ble")
		c.detach(fleet.DeviceID(fmt.Sprint(n)))
		if c.detached("ble") != before {
			same++
		}
	}
	if same > 50 { // 4 are to be expected
		t.Errorf("%d of 1,000 detachments concerned another device", same)
	}
	before := c.detached("ble")
	if c.detach("ble"); c.detached("ble") == before {
		t.Error("its own detachment goes unnoticed")
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
