package cloud_test

import (
	"strings"
	"testing"

	"github.com/muster-iot/muster/cloud"
	"github.com/muster-iot/muster/cloud/cloudtest"
	"github.com/muster-iot/muster/devicelog"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

func (w *world) record(id fleet.DeviceID) fleet.Device {
	w.Helper()
	return cloudtest.Must[fleet.Device](w)(w.Cloud.Store().Devices.Device(w.Context(), id.In(1)))
}

// ends are why the connections of a device ended, newest first; "" for one without an end.
func (w *world) ends(id fleet.DeviceID) string {
	w.Helper()
	var all []string
	for _, c := range devicelog.Contacts(w.record(id).Contacts) {
		why := c.Why()
		if c.Ended.IsZero() {
			why = ""
		}
		all = append(all, why)
	}
	return strings.Join(all, "; ")
}

// waitOffline waits until the end of a device's connection is noted.
func (w *world) waitOffline(id fleet.DeviceID) {
	w.Helper()
	cloudtest.Until(w, string(id)+" is offline", func() bool {
		d, err := w.Device(w.Context(), string(id))
		return err == nil && !d.Online
	})
}

func withFact(value byte) func(*wire.Hello) {
	return func(h *wire.Hello) { h.Facts = []byte{0xa1, 0x62, 'f', 'w', value} } // {"fw": value}
}

// The end of a connection is written with the next Hello, so that it costs no trip of its own; what
// waits when the server stops is written then.
func TestARecordKeepsItsConnectionsAndEarlierFacts(t *testing.T) {
	t.Parallel()
	w := serve(t)
	w.UploadVersions(imageSize, 1)
	credential := w.Enroll("lamp")[0]
	first := w.Dial(credential)
	first.Hello(1, withFact(1))
	if err := first.Disconnect(); err != nil {
		t.Fatal(err)
	}
	w.waitOffline("lamp")
	second := w.Dial(credential)
	second.Hello(1, withFact(2))
	third := w.Dial(credential) // takes over
	third.Hello(1, withFact(3))
	if got, want := w.ends("lamp"), "; replaced by a newer connection; the device disconnected"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	var was []string
	for _, v := range devicelog.Values(w.record("lamp").OldFacts) {
		was = append(was, v.Fact+"="+v.Text)
	}
	if got := strings.Join(was, " "); got != "fw=2 fw=1" {
		t.Errorf("earlier facts: got %q", got)
	}
	_ = third.Close() // without DISCONNECT
	w.waitOffline("lamp")
	w.Stop()
	again := &world{&cloudtest.Server{TB: t, Cloud: cloudtest.Must[*cloud.Cloud](t)(cloud.New(t.Context(), w.Config))}}
	cloudtest.Run(t, again.Cloud)
	if got, want := again.ends("lamp"), "connection lost; replaced by a newer connection; the device disconnected"; got != want {
		t.Errorf("after a restart: got %q, want %q", got, want)
	}
}
