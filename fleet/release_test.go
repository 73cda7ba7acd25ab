package fleet_test

import (
	"reflect"
	"testing"

	"github.com/muster-iot/muster/fleet"
)

func TestImpactsAddUpInOrder(t *testing.T) {
	of := func(devices int, version, reason string) fleet.Impact {
		return fleet.Impact{
			Total: devices, Of: 10 * devices,
			ByVersion: []fleet.VersionCount{{Version: fleet.ReportedVersion(version), Devices: devices}},
			Blocked:   []fleet.ReasonCount{{Reason: reason, Devices: devices}},
		}
	}
	var sum fleet.Impact
	for _, one := range []fleet.Impact{of(1, "2", "locked"), {Of: 5}, of(2, "10", "disabled"), of(4, "2.0.0", "locked"), of(8, "1.5.0", "held")} {
		sum.Add(one)
	}
	want := fleet.Impact{
		Total: 15, Of: 155,
		ByVersion: []fleet.VersionCount{{Version: fleet.WholeVersion(10), Devices: 2}, {Version: fleet.WholeVersion(2), Devices: 5}, {Version: fleet.ReportedVersion("1.5.0"), Devices: 8}},
		Blocked:   []fleet.ReasonCount{{Reason: "disabled", Devices: 2}, {Reason: "held", Devices: 8}, {Reason: "locked", Devices: 5}},
	}
	if !reflect.DeepEqual(sum, want) {
		t.Errorf("got %+v, want %+v", sum, want)
	}
}
