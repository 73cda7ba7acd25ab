package cloud_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/cloud"
	"github.com/muster-iot/muster/cloud/cloudtest"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/simulator"
	"github.com/muster-iot/muster/simulator/mqttlite"
	"github.com/muster-iot/muster/wire"
)

func TestCommandIsSentAfterEachHelloUntilItIsDone(t *testing.T) {
	t.Parallel()
	w := serve(t)
	device := w.Enroll("a")[0]
	queued := cloudtest.Must[api.Command](t)(w.SendCommand(t.Context(), "a", api.NewCommand{Name: "blink", Message: api.Payload(`{"times":3}`)}))
	d := w.Dial(device)
	for range 2 {
		d.Hello(1)
		h := d.Receive(wire.TopicCommand)
		if h.Topic.Number != queued.Number || h.Topic.Name != "blink" || string(h.Payload) != `{"times":3}` {
			t.Fatalf("got %s %s, want command %d, blink", h.Topic, h.Payload, queued.Number)
		}
	}
	if c := cloudtest.Must[[]api.Command](t)(w.Commands(t.Context(), "a")); len(c) != 1 || c[0].Done != nil {
		t.Errorf("before its result: got %+v, want one that waits", c)
	}
	done := wire.Topic{Speaker: "a", Kind: wire.TopicDone, Number: queued.Number}.String()
	for range 2 { // a repeated result changes nothing
		id := cloudtest.Must[uint16](t)(d.Publish(done, 1, []byte(`"ok"`)))
		d.WaitAck(id, func(h cloudtest.Message) { t.Errorf("got %s", h.Topic) })
	}
	if c := cloudtest.Must[[]api.Command](t)(w.Commands(t.Context(), "a")); len(c) != 1 || c[0].Done == nil || string(c[0].Result) != `"ok"` {
		t.Errorf("after its result: got %+v", c)
	}
	d.Hello(1)
	second := cloudtest.Must[api.Command](t)(w.SendCommand(t.Context(), "a", api.NewCommand{Message: api.Payload(`1`)}))
	if h := d.Receive(wire.TopicCommand); h.Topic.Number != second.Number || second.Number != queued.Number+1 {
		t.Errorf("got command %d to the online device, want the second, %d, and not the first again", h.Topic.Number, queued.Number+1)
	}
}

// TestMessageThatNeedsNoRepetitionIsAcknowledged: a client sends again, over its next
// connection, what ended the one before without a PUBACK, and would go round for ever.
func TestMessageThatNeedsNoRepetitionIsAcknowledged(t *testing.T) {
	t.Parallel()
	w := serve(t)
	d := w.Dial(w.Enroll("a")[0])
	early := d.Send(wire.TopicReport, 1, wire.Report{State: wire.ReportStored, Image: fleet.Image{1}}.Encode())
	var stops []wire.Stop
	d.WaitAck(early, func(h cloudtest.Message) {
		stops = append(stops, cloudtest.Must[wire.Stop](t)(wire.DecodeStop(h.Payload)))
	})
	if len(stops) != 1 || stops[0].Reason != wire.ReasonNotNow || stops[0].Image != (fleet.Image{1}) {
		t.Errorf("a Report before Hello: got %+v, want Stop 14", stops)
	}
	d.Hello(1)
	unknown := cloudtest.Must[uint16](t)(d.Publish("d/a/up/done/99", 1, []byte(`"ok"`)))
	d.WaitAck(unknown, func(h cloudtest.Message) { t.Errorf("got %s", h.Topic) })
	if got := w.Metric(`muster_ignored_total{reason="before_hello"}`) + w.Metric(`muster_ignored_total{reason="topic"}`); got != 2 {
		t.Errorf("%v are counted, want both", got)
	}
}

func TestSimulatedDevicesCarryOutACommandOnce(t *testing.T) {
	t.Parallel()
	eachClient(t, func(t *testing.T, kind simulator.ClientKind) {
		w := serve(t)
		f := w.Simulate(simulator.Config{Client: kind, Devices: w.Enroll("a")})
		cloudtest.WaitOnline(t, f)
		for range 3 {
			cloudtest.Must[api.Command](t)(w.SendCommand(t.Context(), "a", api.NewCommand{Message: api.Payload(`true`)}))
		}
		cloudtest.Until(t, "all are done", func() bool {
			for _, c := range cloudtest.Must[[]api.Command](t)(w.Commands(t.Context(), "a")) {
				if c.Done == nil {
					return false
				}
			}
			return true
		})
		if s := f.Snapshot().Totals; s.Commands != 3 {
			t.Errorf("carried out %d, want 3", s.Commands)
		}
	})
}

// Devices that take no bytes while a lot waits for them must not keep their readers, an
// operator or other devices waiting; here there are more of them than recheckers.
func TestDevicesThatReadNothingDelayNobody(t *testing.T) {
	t.Parallel()
	w := serve(t)
	w.UploadVersions(imageSize, 1, 2)
	good := w.Enroll("good")
	command := api.NewCommand{Message: api.Payload(`"` + strings.Repeat("x", 15<<10) + `"`)}
	const commands = 4 // more bytes than a link takes without anybody waiting
	var stuck []*cloudtest.Device
	for i := range cloud.Recheckers + 1 {
		device := w.Enroll(fleet.DeviceID(fmt.Sprintf("stuck%d", i)))[0]
		for range commands {
			cloudtest.Must[api.Command](t)(w.SendCommand(t.Context(), string(device.ID), command))
		}
		conn, server := newNarrow()
		go w.Cloud.Attach(server)
		d := cloudtest.Dial(t, conn.broker(), device)
		d.Hello(1)
		conn.await(t) // the first command; from here on it reads nothing
		d.Send(wire.TopicHello, 0, wire.NewHello(cloudtest.Whole(1).Version).Encode())
		d.Send(wire.TopicMessage, 1, []byte("one"))
		d.Send(wire.TopicMessage, 1, []byte("two"))
		stuck = append(stuck, d)
	}
	cloudtest.Until(t, "what they say is read all the same", func() bool {
		page := cloudtest.Must[api.Page[api.Message]](t)(w.Messages(t.Context(), api.MessageFilter{Limit: 100}))
		return len(page.Items) == 2*len(stuck)
	})
	f := w.Simulate(simulator.Config{Devices: good})
	cloudtest.WaitOnline(t, f)
	w.ReleaseVersion(2, cloudtest.Intelligent)
	last := cloudtest.Must[api.Command](t)(w.SendCommand(t.Context(), string(stuck[0].ID), command))
	cloudtest.WaitForVersion(t, f, 2)
	for number := uint32(0); number < last.Number; {
		p, h := stuck[0].Next()
		if p.Kind == 0 {
			t.Fatal("the connection ended")
		}
		if h.Topic.Kind == wire.TopicCommand {
			number = h.Topic.Number
		}
	}
}

func TestMessagesAndAlertsOfDevicesAreListed(t *testing.T) {
	t.Parallel()
	w := serve(t)
	credentials := w.Enroll("a", "b")
	a, b := w.Dial(credentials[0]), w.Dial(credentials[1])
	quiet := func(h cloudtest.Message) { t.Errorf("got %s", h.Topic) }
	for _, m := range []struct{ name, payload string }{{"", `{"t":21}`}, {"log/boot", "\xff\x00"}} {
		topic := wire.Topic{Speaker: "a", Kind: wire.TopicMessage, Name: m.name}.String()
		a.WaitAck(cloudtest.Must[uint16](t)(a.Publish(topic, 1, []byte(m.payload))), quiet)
	}
	b.WaitAck(b.Send(wire.TopicMessage, 1, []byte(`"b"`)), quiet)
	b.WaitAck(b.Send(wire.TopicAlert, 1, wire.Alert{Type: 7, Text: "hot", Value: []byte{0x82, 0x18, 0x5a, 0xf9, 0x38, 0x00}}.Encode()), quiet)

	page := cloudtest.Must[api.Page[api.Message]](t)(w.Messages(t.Context(), api.MessageFilter{Ascending: true}))
	got := ""
	for _, m := range page.Items {
		got += m.Topic + " " + string(m.Message) + "\n"
	}
	if want := "d/a/up/msg {\"t\":21}\nd/a/up/msg/log/boot \xff\x00\nd/b/up/msg \"b\"\n"; got != want {
		t.Errorf("got messages\n%q, want\n%q", got, want)
	}
	alerts := cloudtest.Must[api.Page[api.Alert]](t)(w.Alerts(t.Context(), api.AlertFilter{})).Items
	if len(alerts) != 1 || alerts[0].Device != "b" || alerts[0].Type != 7 || alerts[0].Text != "hot" || string(alerts[0].Value) != "[90,0.5]" || alerts[0].Status != "ACTIVE" {
		t.Errorf("got alerts %+v", alerts)
	}
}

func TestFactsOfTheLastHelloAreShown(t *testing.T) {
	t.Parallel()
	w := serve(t)
	d := w.Dial(w.Enroll("a")[0])
	h := wire.NewHello(fleet.WholeVersion(1))
	h.Facts = []byte("\xa2\x64rssi\x38\x5a\x67battery\xf9\x43\x6c") // {"rssi": -91, "battery": 3.7109375}
	d.Send(wire.TopicHello, 0, h.Encode())
	d.Receive(wire.TopicWelcome)
	got := cloudtest.Must[api.Device](t)(w.Device(t.Context(), "a"))
	if want := `{"battery":3.7109375,"rssi":-91}`; string(got.Facts) != want {
		t.Errorf("got the facts %s, want %s", got.Facts, want)
	}
}

func TestMessagesOverTheRateEndTheConnection(t *testing.T) {
	t.Parallel()
	w := serve(t)
	const allowed = wire.MessageBurst * wire.MessageInterval // the time in which a device may send twice the burst
	acks, kept := 0, 0
	for n, slow := 0, true; slow; n++ { // on a busy machine it may take that long
		id := fleet.DeviceID(fmt.Sprint("a", n))
		d := w.Dial(w.Enroll(id)[0])
		began := time.Now()
		for range 2 * wire.MessageBurst {
			if _, err := d.Publish("d/"+id.String()+"/up/msg", 1, []byte("1")); err != nil {
				break // it has ended already
			}
		}
		acks = 0
		for ended := false; !ended && acks < 2*wire.MessageBurst; {
			if p, _ := d.Next(); p.Kind != 0 {
				acks++
			} else {
				ended = true
			}
		}
		slow = acks == 2*wire.MessageBurst && time.Since(began) >= allowed
		kept = len(cloudtest.Must[api.Page[api.Message]](t)(w.Messages(t.Context(), api.MessageFilter{Device: id.String(), Limit: 100})).Items)
	}
	if acks < wire.MessageBurst || acks > kept || kept == 2*wire.MessageBurst {
		t.Errorf("%d were acknowledged, %d kept; want those of the burst, and all that were acknowledged", acks, kept)
	}
}

func TestSessionWithoutAHelloForLongIsAskedForOne(t *testing.T) {
	t.Parallel()
	w := serve(t, func(c *cloud.Config) { c.OTA.MaxSessionAge = time.Second })
	d := w.Dial(w.Enroll("a")[0])
	d.Hello(1)
	asked := cloudtest.Must[wire.Welcome](t)(wire.DecodeWelcome(d.Receive(wire.TopicWelcome).Payload))
	if asked.Reason != wire.ReasonNotNow || asked.Boot != 0 {
		t.Errorf("got %+v, want reason 14 and no nonce", asked)
	}
}

func TestOtherBytesThanUploadedRaiseOneAlert(t *testing.T) {
	t.Parallel()
	w := serve(t)
	w.UploadVersions(imageSize, 1, 2)
	d := w.Dial(w.Enroll("a")[0])
	other := func(h *wire.Hello) { h.Digest[0] = 1 }
	for range 3 {
		d.Hello(1, other)
	}
	if names := alertNames(w); names["digest_differs"] != 1 {
		t.Errorf("got alerts %v, want one", names)
	}
	d.Hello(2, other)
	if names := alertNames(w); names["digest_differs"] != 2 {
		t.Errorf("another version with other bytes: got alerts %v, want one more", names)
	}
}

// narrow is a connection without any buffer: what its device does not read, the server
// waits to write.
type narrow struct {
	net.Conn
	ahead []byte // read already
}

// newNarrow returns the device's end, and the server's to attach.
func newNarrow() (device *narrow, server net.Conn) {
	here, there := net.Pipe()
	return &narrow{Conn: here}, there
}

// broker leads over n.
func (n *narrow) broker() mqttlite.Broker {
	return mqttlite.Broker{Dialer: func(context.Context) (net.Conn, error) { return n, nil }}
}

// await waits until the server is in the middle of a write.
func (n *narrow) await(t testing.TB) {
	t.Helper()
	n.ahead = make([]byte, 1)
	if _, err := io.ReadFull(n.Conn, n.ahead); err != nil {
		t.Fatal(err)
	}
}

func (n *narrow) Read(p []byte) (int, error) {
	if len(n.ahead) == 0 {
		return n.Conn.Read(p)
	}
	taken := copy(p, n.ahead)
	n.ahead = n.ahead[taken:]
	return taken, nil
}
