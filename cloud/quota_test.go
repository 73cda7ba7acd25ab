package cloud_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
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
	t.Parallel()
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
	t.Parallel()
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
	t.Parallel()
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

// listen opens an event stream of c; its end is the error of ended.
func listen(t *testing.T, c *client.Client) (ended <-chan error, leave func()) {
	t.Helper()
	ctx, leave := context.WithCancel(t.Context())
	opened, over := make(chan struct{}), make(chan error, 1)
	go func() {
		over <- c.Listen(ctx, api.EventFilter{}, func() { close(opened) }, func(api.Heard) error { return nil })
	}()
	select {
	case <-opened:
	case err := <-over:
		over <- err
	}
	t.Cleanup(leave)
	return over, leave
}

func TestATeamHasNoMoreStreamsThanItsQuotaAndTakesNoneOfAnothers(t *testing.T) {
	t.Parallel()
	w := serve(t, func(c *cloud.Config) { c.Quota.Streams, c.Quota.UserStreams = 3, 0 })
	other := w.neighbor()
	var leaves []func()
	for range 3 {
		_, leave := listen(t, w.Client)
		leaves = append(leaves, leave)
	}
	refused, _ := listen(t, w.Client)
	if err := <-refused; !errors.Is(err, fleet.Busy) || !strings.Contains(err.Error(), "quota streams: your team has 3 of at most 3") {
		t.Errorf("a fourth stream: got %v, want the quota", err)
	}
	_, leave := listen(t, other)
	if n := used(w, other, "streams"); n != 1 {
		t.Errorf("the other team has %d streams, want 1", n)
	}
	leave()
	leaves[0]()
	cloudtest.Until(t, "the place of a stream that ended is free", func() bool { return used(w, w.Client, "streams") == 2 })
	listen(t, w.Client)
	if n := used(w, w.Client, "streams"); n != 3 {
		t.Errorf("in its place: %d streams, want 3", n)
	}
}

// slowUpload begins an upload whose image does not end before finish.
func slowUpload(t *testing.T, c *client.Client, product string) (done <-chan error, finish func()) {
	t.Helper()
	image, more := io.Pipe()
	over := make(chan error, 1)
	go func() {
		_, err := c.Upload(t.Context(), product, api.NewFirmware{Version: cloudtest.Whole(1)}, image)
		over <- err
	}()
	if _, err := more.Write(bytes.Repeat([]byte("x"), 1<<10)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = more.Close() })
	return over, func() { _ = more.Close() }
}

func TestATeamHasNoMoreUploadsAtATimeThanItsQuota(t *testing.T) {
	t.Parallel()
	w := serve(t, func(c *cloud.Config) { c.Quota.Uploads = 1 })
	other := w.neighbor()
	done, finish := slowUpload(t, w.Client, cloudtest.Lamp)
	cloudtest.Until(t, "the upload counts", func() bool { return used(w, w.Client, "uploads") == 1 })
	_, err := w.Upload(t.Context(), cloudtest.Lamp, api.NewFirmware{Version: cloudtest.Whole(2)}, strings.NewReader("image"))
	if !errors.Is(err, fleet.Busy) || !strings.Contains(err.Error(), "quota uploads: your team has 1 of at most 1") {
		t.Errorf("a second at the same time: got %v, want the quota", err)
	}
	if _, err := other.Upload(t.Context(), "pump", api.NewFirmware{Version: cloudtest.Whole(1)}, strings.NewReader("image")); err != nil {
		t.Errorf("the other team: %v", err)
	}
	finish()
	if err := <-done; err != nil {
		t.Errorf("the slow one: %v", err)
	}
	if _, err := w.Upload(t.Context(), cloudtest.Lamp, api.NewFirmware{Version: cloudtest.Whole(2)}, strings.NewReader("image")); err != nil {
		t.Errorf("after it: %v", err)
	}
}

func TestQuotasHoldAfterARestart(t *testing.T) {
	t.Parallel()
	p := cloudtest.Spawn(t, func(p *cloudtest.Process) { p.Env = []string{"MUSTER_QUOTA_DEVICES=3", "MUSTER_QUOTA_IMAGES=2500B"} })
	owner := p.Owner()
	cloudtest.Must[api.Product](t)(owner.CreateProduct(t.Context(), "Lamp", cloudtest.Lamp))
	cloudtest.Enroll(t, owner, "a", "b", "c")
	cloudtest.UploadVersions(t, owner, 1000, 1, 2)
	p.Kill()
	p.Start()
	owner = p.Owner()
	if _, err := owner.Import(t.Context(), cloudtest.Lamp, api.NewDevices{IDs: []string{"d"}}); !over(err, "devices") {
		t.Errorf("a fourth device: got %v, want the quota", err)
	}
	if _, err := owner.Upload(t.Context(), cloudtest.Lamp, api.NewFirmware{Version: cloudtest.Whole(3)}, bytes.NewReader(bytes.Repeat([]byte("x"), 1000))); !over(err, "images") {
		t.Errorf("a third image: got %v, want the quota", err)
	}
}
