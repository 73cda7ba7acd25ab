package cloud_test

import (
	"net/http"
	"testing"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/api/client"
	"github.com/muster-iot/muster/cloud/cloudtest"
)

// TestABatchOfLocksOutlivesACrash kills the server in the middle of locking a thousand and more
// devices: after the next start every one is locked.
func TestABatchOfLocksOutlivesACrash(t *testing.T) {
	t.Parallel()
	const devices = 1500
	p := cloudtest.Spawn(t)
	operator := p.Owner()
	list := prepareBatch(t, operator, devices)
	cloudtest.UploadVersions(t, operator, 100, 1)
	_, token, err := client.SignIn(t.Context(), p.URL, cloudtest.OwnerEmail, cloudtest.OwnerPassword)
	if err != nil {
		t.Fatal(err)
	}
	version := cloudtest.Whole(1)
	answered := make(chan int, 1)
	o := &editor{server: p.URL, token: token.AccessToken}
	go func() {
		answered <- o.send(t, "/v1/products/lamp/devices", api.BatchUpdate{Action: "lock", Devices: list, Metadata: api.BatchMetadata{Version: &version}})
	}()
	locked := func() int {
		yes := true
		list, err := operator.Devices(t.Context(), cloudtest.Lamp, api.DeviceFilter{Locked: &yes, PerPage: 1})
		if err != nil {
			return 0 // the index is being built
		}
		return list.Meta.Total
	}
	cloudtest.Until(t, "some devices are locked", func() bool { return locked() > 0 })
	p.Kill()
	if status := <-answered; status == http.StatusOK {
		t.Log("the batch was done before the server was killed")
	}
	p.Start()
	operator = p.Owner()
	cloudtest.Until(t, "the lists are back", func() bool { return locked() > 0 })
	if n := locked(); n != devices {
		t.Errorf("%d devices are locked, want %d", n, devices)
	}
}
