package rest_test

import (
	"testing"
	"time"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/devicelog"
	"github.com/muster-iot/muster/fleet"
)

// A device fetched by its id has its last connections and the earlier values of its facts; a list
// has neither.
func TestADeviceHasItsPast(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	began := time.Now().Add(-time.Hour).UTC().Truncate(time.Millisecond)
	facts := func(battery byte) []byte { return append([]byte("\xa1\x67battery\x18"), battery) } // {"battery": …}
	w.edit(lamp7, func(d *fleet.Device) {
		d.Contacts = devicelog.WithContact("", devicelog.Contact{Began: began, Ended: began.Add(time.Minute), Code: devicelog.Lost})
		d.Contacts = devicelog.WithContact(d.Contacts, devicelog.Contact{Began: began.Add(time.Hour)})
		d.OldFacts = devicelog.Changed("", facts(80), facts(79), began)
		d.Facts = facts(79)
	})
	d := must[api.Device](t)(w.Device(t.Context(), "lamp-7"))
	if len(d.Connections) != 2 || d.Connections[0].Ended != nil || d.Connections[0].Lasts { // it is not connected
		t.Fatalf("got %+v", d.Connections)
	}
	if c := d.Connections[1]; !c.Began.Equal(began) || !c.Ended.Equal(began.Add(time.Minute)) || c.Reason != "connection lost" || *c.Code != devicelog.Lost {
		t.Errorf("got %+v", c)
	}
	if len(d.EarlierFacts) != 1 || d.EarlierFacts[0].Fact != "battery" || d.EarlierFacts[0].Value != "80" || string(d.Facts) != `{"battery":79}` {
		t.Errorf("got %+v, now %s", d.EarlierFacts, d.Facts)
	}
	list := must[api.DeviceList](t)(w.Devices(t.Context(), "lamp", api.DeviceFilter{ID: "lamp-7"}))
	if len(list.Devices) != 1 || list.Devices[0].Connections != nil || list.Devices[0].EarlierFacts != nil {
		t.Errorf("a list has %+v", list.Devices)
	}
}
