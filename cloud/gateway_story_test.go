package cloud_test

import (
	"fmt"
	"testing"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/cloud"
	"github.com/muster-iot/muster/cloud/cloudtest"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

func TestBLEDeviceIsUpdatedThroughItsGateway(t *testing.T) {
	t.Parallel()
	w := serve(t)
	w.UploadVersions(imageSize, 1, 2)
	gateway := w.Dial(w.EnrollGateways("g")[0])
	w.ReleaseVersion(2)
	gateway.HelloFor("g-0", 1)
	w.isOnline("g-0", true)
	gateway.DownloadFor("g-0", gateway.OfferFor("g-0"))
	gateway.HelloFor("g-0", 2)
	w.runs("g-0", 2)
	_ = gateway.Close()
	cloudtest.Until(t, "the child is offline with its gateway", func() bool { return !w.Online("g-0") })
	w.isOnline("g-0", false)
}

func TestMessagesAlertsAndCommandsOfABLEDevice(t *testing.T) {
	t.Parallel()
	w := serve(t)
	gateway := w.Dial(w.EnrollGateways("g")[0])
	gateway.HelloFor("g-0", 1)
	gateway.WaitAck(gateway.SendFor("g-0", wire.TopicMessage, 1, []byte(`1`)), func(cloudtest.Message) {})
	gateway.WaitAck(gateway.SendFor("g-0", wire.TopicAlert, 1, wire.Alert{Type: 3}.Encode()), func(cloudtest.Message) {})
	if m := cloudtest.Must[api.Page[api.Message]](t)(w.Messages(t.Context(), api.MessageFilter{Device: "g-0"})).Items; len(m) != 1 || m[0].Topic != "d/g/b/g-0/up/msg" {
		t.Errorf("got messages %+v", m)
	}
	if a := cloudtest.Must[api.Page[api.Alert]](t)(w.Alerts(t.Context(), api.AlertFilter{})).Items; len(a) != 1 || a[0].Device != "g-0" {
		t.Errorf("got alerts %+v", a)
	}
	cloudtest.Must[api.Command](t)(w.SendCommand(t.Context(), "g-0", api.NewCommand{Message: api.Payload(`true`)}))
	gateway.ReceiveFor("g-0", wire.TopicCommand)
	done := wire.Topic{Speaker: "g", Child: "g-0", Kind: wire.TopicDone, Number: 1}.String()
	gateway.WaitAck(cloudtest.Must[uint16](t)(gateway.Publish(done, 1, []byte("ok"))), func(cloudtest.Message) {})
	if c := cloudtest.Must[[]api.Command](t)(w.Commands(t.Context(), "g-0")); len(c) != 1 || c[0].Done == nil {
		t.Errorf("got commands %+v, want one that is done", c)
	}
}

func TestGatewayCanNotActForUnattachedDevices(t *testing.T) {
	t.Parallel()
	w := serve(t)
	w.UploadVersions(imageSize, 1, 2)
	credentials := w.EnrollGateways("g", "h")
	w.Enroll("generic")
	w.EnrollBehind("g", "off")
	w.EditDevice("off", api.DeviceUpdate{Disabled: new(true)})
	gateway := w.Dial(credentials[0])
	before := map[fleet.DeviceID]uint64{}
	for _, id := range []fleet.DeviceID{"h-0", "generic", "h", "off"} {
		before[id] = w.Record(id).Revision
	}
	for _, id := range []fleet.DeviceID{"h-0", "generic", "h", "unknown", "off"} {
		for kind, payload := range map[wire.TopicKind][]byte{
			wire.TopicHello:   wire.NewHello(fleet.WholeVersion(1)).Encode(),
			wire.TopicWant:    wire.Want{Count: 1}.Encode(),
			wire.TopicReport:  wire.Report{State: wire.ReportStored}.Encode(),
			wire.TopicMessage: []byte("x"),
			wire.TopicAlert:   wire.Alert{}.Encode(),
			wire.TopicDone:    []byte("x"),
		} {
			gateway.SendFor(id, kind, 1, payload)
			if s := gateway.StopFor(id); s.Reason != wire.ReasonNotAttached {
				t.Errorf("%s, topic %d: got reason %d, want 17", id, kind, s.Reason)
			}
		}
		if revision, known := before[id]; known && w.Record(id).Revision != revision {
			t.Errorf("the record of %s was changed", id)
		}
		if id != "g" && w.Online(id) {
			t.Errorf("%s is taken for online", id)
		}
	}
	if m := cloudtest.Must[api.Page[api.Message]](t)(w.Messages(t.Context(), api.MessageFilter{})).Items; len(m) != 0 {
		t.Errorf("%d messages were kept", len(m))
	}
	gateway.VerifyAlive()
}

func TestBadMessageOfAChildConcernsItAlone(t *testing.T) {
	t.Parallel()
	w := serve(t)
	gateway := w.Dial(w.EnrollGateways("g")[0])
	junk := []byte{0xff, 0x00}
	for _, kind := range []wire.TopicKind{wire.TopicReport, wire.TopicWant, wire.TopicAlert, wire.TopicDone, wire.TopicHello} {
		gateway.WaitAck(gateway.SendFor("g-0", kind, 1, junk), func(cloudtest.Message) {})
	}
	gateway.WaitAck(gateway.SendFor("g-0", wire.TopicReport, 1, wire.Report{State: wire.ReportStored}.Encode()), func(h cloudtest.Message) {
		if s, err := wire.DecodeStop(h.Payload); h.Topic.Kind == wire.TopicStop && (err != nil || s.Reason != wire.ReasonNotNow) {
			t.Errorf("a report before Hello: got %+v, want a Stop with reason 14", s)
		}
	})
	for range 2 * wire.MessageBurst {
		gateway.SendFor("g-0", wire.TopicMessage, 1, []byte("x"))
	}
	gateway.VerifyAlive()
	if n := w.Metric(`muster_ignored_total{reason="rate"}`); n == 0 {
		t.Error("no message was counted as one too many")
	}
	gateway.HelloFor("g-0", 1)
}

func TestUnknownDevicesCostTheGatewayNoMoreThanItsLimit(t *testing.T) {
	t.Parallel()
	w := serve(t)
	gateway := w.Dial(w.EnrollGateways("g")[0])
	for n := range 4 * cloud.UnattachedBurst {
		gateway.SendFor(fleet.DeviceID(fmt.Sprint("x", n)), wire.TopicMessage, 0, []byte("x"))
	}
	gateway.VerifyAlive()
	if n := w.Metric(`muster_ignored_total{reason="not_attached"}`); n > 2*cloud.UnattachedBurst {
		t.Errorf("%v were looked into", n)
	}
}

func TestAttachAndDetachAreDurableAndAnsweredPerDevice(t *testing.T) {
	t.Parallel()
	w := serve(t)
	credentials := w.EnrollGateways("g", "h")
	w.Enroll("generic")
	w.EnrollBehind("g", "free")
	w.EditDevice("free", api.DeviceUpdate{Gateway: api.Null[string]()})
	gateway := w.Dial(credentials[0])
	got := gateway.Attach(wire.TopicAttach, "free", "g-0", "unknown", "generic", "h")
	want := map[fleet.DeviceID]fleet.ReasonCode{
		"free": wire.ReasonNone, "g-0": wire.ReasonNone, "unknown": wire.ReasonNotAttached, "generic": wire.ReasonNotAttached, "h": wire.ReasonNotAttached,
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("attach: got %v, want %v", got, want)
	}
	if d := w.Record("free"); d.Gateway != "1/g" {
		t.Errorf("free is attached to %q", d.Gateway)
	}
	gateway.HelloFor("free", 1)
	if got := gateway.Attach(wire.TopicDetach, "free", "h-0"); got["free"] != wire.ReasonNone || got["h-0"] != wire.ReasonNotAttached {
		t.Errorf("detach: got %v", got)
	}
	if w.Record("free").Gateway != "" || w.Record("h-0").Gateway != "1/h" || w.Online("free") {
		t.Error("detach: the records or the presence are wrong")
	}
	gateway.SendFor("free", wire.TopicMessage, 1, []byte("x"))
	if s := gateway.StopFor("free"); s.Reason != wire.ReasonNotAttached {
		t.Errorf("after detach: got reason %d", s.Reason)
	}
	plain := w.Dial(w.Enroll("plain")[0])
	plain.WaitAck(plain.Send(wire.TopicAttach, 1, wire.Attach{IDs: []fleet.DeviceID{"free"}}.Encode()), func(cloudtest.Message) {})
	if w.Record("free").Gateway != "" {
		t.Error("a device that is not a gateway attached another")
	}
}

func TestUnknownDevicesAreAddedWhereAProductAllowsIt(t *testing.T) {
	t.Parallel()
	w := serve(t)
	gateway := w.Dial(w.EnrollGateways("g")[0]) // g-0 is one of the three
	w.SetProduct(func(p *fleet.Product) { p.AutoRegister = 3 })
	got := gateway.Attach(wire.TopicAttach, "n1", "n2", "n3", "n4")
	added, refused := 0, 0
	for _, reason := range got {
		switch reason {
		case wire.ReasonNone:
			added++
		case wire.ReasonOverLimit:
			refused++
		}
	}
	if added == 0 || added > 3 || refused == 0 || added+refused != 4 {
		t.Errorf("got %v, want two or three added and the rest over the limit", got)
	}
	for id, reason := range got {
		if d, err := w.Cloud.Store().Devices.Device(t.Context(), id.In(1)); reason == wire.ReasonNone && (err != nil || d.Kind != fleet.BLE || d.Gateway != "1/g") {
			t.Errorf("%s: got %+v, %v", id, d, err)
		}
	}
}

func TestFetchOfAGatewayListsItsChildrenAndDeletingItDetachesThem(t *testing.T) {
	t.Parallel()
	w := serve(t)
	gateway := w.Dial(w.EnrollGateways("g")[0])
	gateway.HelloFor("g-0", 1)
	if d := cloudtest.Must[api.Device](t)(w.Device(t.Context(), "g")); fmt.Sprint(d.Children) != "[g-0]" || d.Type != "Gateway" {
		t.Errorf("got %s with children %v", d.Type, d.Children)
	}
	if d := cloudtest.Must[api.Device](t)(w.Device(t.Context(), "g-0")); d.Gateway != "g" || d.Type != "BLE" {
		t.Errorf("got %s behind %s", d.Type, d.Gateway)
	}
	if err := w.DeleteDevice(t.Context(), "g"); err != nil {
		t.Fatal(err)
	}
	gateway.WaitClosed()
	cloudtest.Until(t, "the child is detached", func() bool { return w.Record("g-0").Gateway == "" })
	cloudtest.Until(t, "the child is offline", func() bool { return !w.Online("g-0") })
}
