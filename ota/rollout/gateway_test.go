package rollout

import (
	"fmt"
	"testing"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/index"
	"github.com/muster-iot/muster/ota/precedence"
)

// TestDevicesBehindAFullGatewayWaitForIt has two gateways with three devices each. One device
// behind the first is updated, which is as many as the plan allows.
func TestDevicesBehindAFullGatewayWaitForIt(t *testing.T) {
	one, two := fleet.WholeVersion(1), fleet.WholeVersion(2)
	c := &fleet.Catalog{Product: fleet.Product{ID: 1, Team: 1}, Default: two, Firmware: map[string]fleet.Firmware{}}
	for _, v := range []fleet.Version{one, two} {
		c.Firmware[v.Key()] = fleet.Firmware{Version: v}
	}
	r := fleet.Release{ID: 7, Version: two, Base: one, State: fleet.ReleaseRunning, Share: fleet.Whole, Plan: careful()}
	r.Plan.Limits.Behind = 1
	c.SetStaged(r)
	x := index.New()
	for gateway := range 2 {
		for n := range 3 {
			d := &fleet.Device{
				ID: fleet.DeviceID(fmt.Sprintf("gw%d-%d", gateway, n)), Team: 1, Product: 1, Kind: fleet.BLE, Gateway: fleet.DeviceID(fmt.Sprint("gw", gateway)),
				Running: one, UpdatesOn: true, Revision: 1,
			}
			if gateway == 0 && n == 0 {
				d.Update = fleet.Update{From: one, To: two, State: fleet.Downloading, Release: 7}
			}
			x.Put(d)
			x.SetOnline(d.ID, true)
		}
	}
	x.Finish()
	s := New(Config{Index: x, MaxAttempts: 3})
	var n fleet.ReleaseCounts
	for range 2 { // the first look counts what is behind each gateway
		var err error
		if n, err = s.countAll(c, &r); err != nil {
			t.Fatal(err)
		}
	}
	want := map[string]int{precedence.LimitGateway: 2, precedence.CauseHandshake: 3}
	if fmt.Sprint(n.Waiting) != fmt.Sprint(want) || n.Updating[fleet.Downloading] != 1 {
		t.Errorf("got %v waiting, %v updating; want %v", n.Waiting, n.Updating, want)
	}
}
