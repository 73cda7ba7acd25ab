package session

import (
	"fmt"
	"testing"

	"github.com/muster-iot/muster/fleet"
)

// Otherwise disabling thousands of devices would keep devices behind any gateway from
// getting a session.
func TestDetachmentOfOthersDelaysNoDevice(t *testing.T) {
	c := &Sessions{online: map[fleet.DeviceID]*session{}}
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
