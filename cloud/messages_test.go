package cloud

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/simulator"
	"github.com/muster-iot/muster/wire"
)

func TestCommandIsSentAfterEachHelloUntilItIsDone(t *testing.T) {
	w := serve(t)
	device := w.enroll("a")[0]
	queued := must[api.Command](t)(w.SendCommand(t.Context(), "a", api.NewCommand{Name: "blink", Message: api.Payload(`{"times":3}`)}))
	d := w.dial(device)
	for range 2 {
		d.hello(1)
		h := d.hear(wire.TopicCommand)
		if h.topic.Number != queued.Number || h.topic.Name != "blink" || string(h.payload) != `{"times":3}` {
			t.Fatalf("got %s %s, want command %d, blink", h.topic, h.payload, queued.Number)
		}
	}
	if c := must[[]api.Command](t)(w.Commands(t.Context(), "a")); len(c) != 1 || c[0].Done != nil {
		t.Errorf("before its result: got %+v, want one that waits", c)
	}
	done := wire.Topic{Speaker: "a", Kind: wire.TopicDone, Number: queued.Number}.String()
	for range 2 { // a repeated result changes nothing
		id := must[uint16](t)(d.Publish(done, 1, []byte(`"ok"`)))
		d.acked(id, func(h heard) { t.Errorf("got %s", h.topic) })
	}
	if c := must[[]api.Command](t)(w.Commands(t.Context(), "a")); len(c) != 1 || c[0].Done == nil || string(c[0].Result) != `"ok"` {
		t.Errorf("after its result: got %+v", c)
	}
	d.hello(1)
	second := must[api.Command](t)(w.SendCommand(t.Context(), "a", api.NewCommand{Message: api.Payload(`1`)}))
	if h := d.hear(wire.TopicCommand); h.topic.Number != second.Number || second.Number != queued.Number+1 {
		t.Errorf("got command %d to the online device, want the second, %d, and not the first again", h.topic.Number, queued.Number+1)
	}
}

// TestWhatWouldNotHelpToRepeatIsAcknowledged: a client sends again, over its next
// connection, what ended the one before without a PUBACK, and would go round for ever.
func TestWhatWouldNotHelpToRepeatIsAcknowledged(t *testing.T) {
	w := serve(t)
	d := w.dial(w.enroll("a")[0])
	early := d.say(wire.TopicReport, 1, wire.Report{State: wire.ReportStored, Image: fleet.Image{1}}.Encode())
	var stops []wire.Stop
	d.acked(early, func(h heard) { stops = append(stops, must[wire.Stop](t)(wire.DecodeStop(h.payload))) })
	if len(stops) != 1 || stops[0].Reason != wire.ReasonNotNow || stops[0].Image != (fleet.Image{1}) {
		t.Errorf("a Report before Hello: got %+v, want Stop 14", stops)
	}
	d.hello(1)
	unknown := must[uint16](t)(d.Publish("d/a/up/done/99", 1, []byte(`"ok"`)))
	d.acked(unknown, func(h heard) { t.Errorf("got %s", h.topic) })
	if got := w.cloud.conductor.ignored[ignoredEarly].Load() + w.cloud.conductor.ignored[ignoredTopic].Load(); got != 2 {
		t.Errorf("%d are counted, want both", got)
	}
}

func TestSimulatedDevicesCarryOutACommandOnce(t *testing.T) {
	eachClient(t, func(t *testing.T, kind simulator.ClientKind) {
		w := serve(t)
		f := w.simulate(simulator.Config{Client: kind, Devices: w.enroll("a")})
		online(t, f)
		for range 3 {
			must[api.Command](t)(w.SendCommand(t.Context(), "a", api.NewCommand{Message: api.Payload(`true`)}))
		}
		until(t, "all are done", func() bool {
			for _, c := range must[[]api.Command](t)(w.Commands(t.Context(), "a")) {
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
func TestDevicesThatReadNothingHoldUpNobody(t *testing.T) {
	w := serve(t)
	w.upload(imageSize, 1, 2)
	good := w.enroll("good")
	command := api.NewCommand{Message: api.Payload(`"` + strings.Repeat("x", 15<<10) + `"`)}
	const commands = 4 // more bytes than a link takes without anybody waiting
	var stuck []*raw
	for i := range recheckers + 1 {
		device := w.enroll(fleet.DeviceID(fmt.Sprintf("stuck%d", i)))[0]
		for range commands {
			must[api.Command](t)(w.SendCommand(t.Context(), string(device.ID), command))
		}
		conn, server := newNarrow()
		go w.cloud.broker.Attach(server)
		d := dial(t, conn.broker(), device)
		d.hello(1)
		conn.await(t) // the first command; from here on it reads nothing
		d.say(wire.TopicHello, 0, wire.NewHello(whole(1).Version).Encode())
		d.say(wire.TopicMessage, 1, []byte("one"))
		d.say(wire.TopicMessage, 1, []byte("two"))
		stuck = append(stuck, d)
	}
	until(t, "what they say is read all the same", func() bool {
		page := must[api.Page[api.Message]](t)(w.Messages(t.Context(), api.MessageFilter{Limit: 100}))
		return len(page.Items) == 2*len(stuck)
	})
	f := w.simulate(simulator.Config{Devices: good})
	online(t, f)
	w.release(2, atOnce)
	last := must[api.Command](t)(w.SendCommand(t.Context(), string(stuck[0].id), command))
	arrive(t, f, 2)
	for number := uint32(0); number < last.Number; {
		p, h := stuck[0].next()
		if p.Kind == 0 {
			t.Fatal("the connection ended")
		}
		if h.topic.Kind == wire.TopicCommand {
			number = h.topic.Number
		}
	}
}

func TestMessagesAndAlertsOfDevicesAreListed(t *testing.T) {
	w := serve(t)
	credentials := w.enroll("a", "b")
	a, b := w.dial(credentials[0]), w.dial(credentials[1])
	quiet := func(h heard) { t.Errorf("got %s", h.topic) }
	for _, m := range []struct{ name, payload string }{{"", `{"t":21}`}, {"log/boot", "\xff\x00"}} {
		topic := wire.Topic{Speaker: "a", Kind: wire.TopicMessage, Name: m.name}.String()
		a.acked(must[uint16](t)(a.Publish(topic, 1, []byte(m.payload))), quiet)
	}
	b.acked(b.say(wire.TopicMessage, 1, []byte(`"b"`)), quiet)
	b.acked(b.say(wire.TopicAlert, 1, wire.Alert{Type: 7, Text: "hot"}.Encode()), quiet)

	page := must[api.Page[api.Message]](t)(w.Messages(t.Context(), api.MessageFilter{Ascending: true}))
	got := ""
	for _, m := range page.Items {
		got += m.Topic + " " + string(m.Message) + "\n"
	}
	if want := "d/a/up/msg {\"t\":21}\nd/a/up/msg/log/boot \xff\x00\nd/b/up/msg \"b\"\n"; got != want {
		t.Errorf("got messages\n%q, want\n%q", got, want)
	}
	alerts := must[api.Page[api.Alert]](t)(w.Alerts(t.Context(), api.AlertFilter{})).Items
	if len(alerts) != 1 || alerts[0].Device != "b" || alerts[0].Type != 7 || alerts[0].Text != "hot" || alerts[0].Status != "ACTIVE" {
		t.Errorf("got alerts %+v", alerts)
	}
}

func TestMessagesOverTheRateEndTheConnection(t *testing.T) {
	w := serve(t)
	d := w.dial(w.enroll("a")[0])
	for range 2 * wire.MessageBurst {
		if _, err := d.Publish("d/a/up/msg", 1, []byte("1")); err != nil {
			break // it has ended already
		}
	}
	acks := 0
	for p, _ := d.next(); p.Kind != 0; p, _ = d.next() {
		acks++
	}
	kept := must[api.Page[api.Message]](t)(w.Messages(t.Context(), api.MessageFilter{Limit: 100}))
	if acks < wire.MessageBurst || acks > len(kept.Items) || len(kept.Items) == 2*wire.MessageBurst {
		t.Errorf("%d were acknowledged, %d kept; want those of the burst, and all that were acknowledged", acks, len(kept.Items))
	}
}

func TestSessionWithoutAHelloForLongIsAskedForOne(t *testing.T) {
	w := serve(t, func(c *Config) { c.MaxSessionAge = time.Second })
	d := w.dial(w.enroll("a")[0])
	d.hello(1)
	asked := must[wire.Welcome](t)(wire.DecodeWelcome(d.hear(wire.TopicWelcome).payload))
	if asked.Reason != wire.ReasonNotNow || asked.Boot != 0 {
		t.Errorf("got %+v, want reason 14 and no nonce", asked)
	}
	if age := serve(t).cloud.conductor.maxAge; age != 24*time.Hour {
		t.Errorf("an age that is not set: got %v, want 24 h", age)
	}
}

func TestOtherBytesThanUploadedRaiseOneAlert(t *testing.T) {
	w := serve(t)
	w.upload(imageSize, 1, 2)
	d := w.dial(w.enroll("a")[0])
	other := func(h *wire.Hello) { h.Digest[0] = 1 }
	for range 3 {
		d.hello(1, other)
	}
	if names := alertNames(w); names["digest_differs"] != 1 {
		t.Errorf("got alerts %v, want one", names)
	}
	d.hello(2, other)
	if names := alertNames(w); names["digest_differs"] != 2 {
		t.Errorf("another version with other bytes: got alerts %v, want one more", names)
	}
}
