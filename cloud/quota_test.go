package cloud_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/api/client"
	"github.com/muster-iot/muster/cloud"
	"github.com/muster-iot/muster/cloud/cloudtest"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/simulator"
)

// neighbor creates a second team of the owner, with a product, and returns a client for it.
func (w *world) neighbor() *client.Client {
	w.Helper()
	team := cloudtest.Must[api.Team](w)(w.CreateTeam(w.Context(), "Neighbor"))
	secret := cloudtest.Must[string](w)(neighborToken(w, fleet.TeamID(team.ID)))
	c := client.New(w.URL(""), secret)
	cloudtest.Must[api.Product](w)(c.CreateProduct(w.Context(), "Pump", "pump"))
	return c
}

func neighborToken(w *world, team fleet.TeamID) (string, error) {
	secret, _, err := w.Cloud.Accounts().SignIn(w.Context(), fleet.SignIn{Email: cloudtest.OwnerEmail, Password: cloudtest.OwnerPassword, Team: team})
	return secret, err
}

func used(w *world, c *client.Client, name string) int64 {
	w.Helper()
	for _, q := range cloudtest.Must[[]api.Quota](w)(c.Quotas(w.Context())) {
		if q.Name == name {
			return q.Used
		}
	}
	w.Fatalf("no quota %s", name)
	return 0
}

func over(err error, quota string) bool {
	return errors.Is(err, fleet.Conflict) && strings.Contains(err.Error(), "quota "+quota+": your team has ")
}

func TestATeamHasNoMoreDevicesThanItsQuotaAndTheCountFollowsTheRecords(t *testing.T) {
	w := serve(t, func(c *cloud.Config) { c.Quota.Devices = 3 })
	ctx := t.Context()
	other := w.neighbor()
	w.Enroll("a", "b", "c")
	_, err := w.Import(ctx, cloudtest.Lamp, api.NewDevices{IDs: []string{"d"}})
	if !over(err, "devices") {
		t.Fatalf("a fourth: got %v, want the quota", err)
	}
	if again := cloudtest.Must[api.Imported](t)(w.Import(ctx, cloudtest.Lamp, api.NewDevices{IDs: []string{"a", "b"}})); len(again.Existing) != 2 {
		t.Errorf("those it has already: got %+v", again)
	}
	if _, err := other.Import(ctx, "pump", api.NewDevices{IDs: []string{"p", "q", "r"}}); err != nil {
		t.Errorf("the other team: %v", err)
	}
	if err := w.DeleteDevice(ctx, "b"); err != nil {
		t.Fatal(err)
	}
	if n := used(w, w.Client, "devices"); n != 2 {
		t.Errorf("after one was deleted, %d count", n)
	}
	if _, err := w.Import(ctx, cloudtest.Lamp, api.NewDevices{IDs: []string{"d"}}); err != nil {
		t.Errorf("in its place: %v", err)
	}
}

func TestATeamHasNoMoreImagesThanItsQuota(t *testing.T) {
	w := serve(t, func(c *cloud.Config) { c.Quota.Images = 2500 })
	w.UploadVersions(1000, 1, 2)
	_, err := w.Upload(t.Context(), cloudtest.Lamp, api.NewFirmware{Version: cloudtest.Whole(3)}, bytes.NewReader(bytes.Repeat([]byte("x"), 1000)))
	if !over(err, "images") {
		t.Errorf("a third: got %v, want the quota", err)
	}
	if n := used(w, w.Client, "images"); n != 2000 {
		t.Errorf("%d bytes count, want 2000", n)
	}
}

func TestAGreedyTeamsDevicesMakeRoomForAnother(t *testing.T) {
	w := serve(t, func(c *cloud.Config) { c.MQTT.MaxConnections = 6 })
	other := w.neighbor()
	ids := make([]fleet.DeviceID, 6)
	for i := range ids {
		ids[i] = fleet.DeviceID(fmt.Sprintf("lamp-%d", i))
	}
	for _, c := range w.Enroll(ids...) {
		w.Dial(c).Hello(1)
	}
	imported := cloudtest.Must[api.Imported](t)(other.Import(t.Context(), "pump", api.NewDevices{IDs: []string{"pump-0", "pump-1", "pump-2"}}))
	for id, secret := range imported.Secrets {
		w.Dial(simulator.Credential{ID: fleet.DeviceID(id), Secret: secret}).Hello(1)
	}
	if n := used(w, other, "connections"); n != 3 {
		t.Errorf("the other team has %d connections, want its share, 3", n)
	}
	cloudtest.Until(t, "the greedy team keeps its share", func() bool { return used(w, w.Client, "connections") == 3 })
}
