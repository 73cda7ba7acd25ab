package activity

import (
	"testing"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

func TestReasonsThatDevicesMakeUpAreCountedAsOther(t *testing.T) {
	counted := newTallies()
	for n := range 60_000 {
		counted.ended(1, fleet.Update{State: fleet.Failed, Reason: fleet.ReasonCode(n)})
	}
	got := counted.of(1).Failures
	if len(got) > 100 || got[wire.ReasonStorage] != 1 || got[wire.ReasonOther] < 50_000 {
		t.Errorf("got %d reasons: %v", len(got), got)
	}
}
