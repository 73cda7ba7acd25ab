//go:build sdk

package conform_test

import (
	"context"
	"testing"
	"time"

	"github.com/muster-iot/muster/conform"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/simulator/mqttlite"
	"github.com/muster-iot/muster/wire"
	"github.com/muster-iot/muster/wire/mqtt"
)

// broken is a device as a hasty author writes it: it takes any chunk for the next one, checks
// no digest, knows no Stop, executes a repeated command again, and reports with QoS 0.
type broken struct {
	conn     *mqttlite.Conn
	offer    wire.Offer
	next     uint32
	executed byte
}

func (d *broken) say(kind wire.TopicKind, payload []byte) {
	_, _ = d.conn.Publish(wire.Topic{Speaker: "dut", Kind: kind}.String(), 0, payload) // the read fails next
}

func (d *broken) hello() {
	h := wire.NewHello(version("1"))
	h.MaxImage = 1 << 20
	d.say(wire.TopicHello, h.Encode())
}

func (d *broken) want() {
	if d.next < d.offer.Count {
		d.say(wire.TopicWant, wire.Want{Image: d.offer.Image(), First: d.next, Count: min(8, d.offer.Count-d.next)}.Encode())
	}
}

func (d *broken) handle(p mqtt.Packet) {
	topic, err := wire.ParseTopic(string(p.Topic))
	if err != nil {
		return
	}
	switch topic.Kind {
	case wire.TopicWelcome:
		if w, err := wire.DecodeWelcome(p.Payload); err == nil && w.Reason == wire.ReasonNotNow {
			d.hello()
		}
	case wire.TopicOffer:
		d.offer, _ = wire.DecodeOffer(p.Payload)
		d.next = 0
	case wire.TopicChunk:
		d.next++
		if d.next == d.offer.Count {
			d.say(wire.TopicReport, wire.Report{Image: d.offer.Image(), State: wire.ReportStored, Update: d.offer.Update}.Encode())
		} else if d.next%8 == 0 {
			d.want()
		}
	case wire.TopicCommand:
		d.executed++
		done := wire.Topic{Speaker: "dut", Kind: wire.TopicDone, Number: topic.Number}
		_, _ = d.conn.Publish(done.String(), 1, []byte{d.executed})
	}
}

// run keeps the device connected until ctx ends, without any pause between two attempts.
func (d *broken) run(ctx context.Context, addr string) {
	for ctx.Err() == nil {
		conn, err := mqttlite.Dial(ctx, mqttlite.Broker{Scheme: "tcp", Host: addr}, mqtt.Client{ID: "dut", User: "dut", Password: "secret", KeepAlive: time.Minute})
		if err != nil {
			continue
		}
		d.conn = conn
		stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
		d.hello()
		for {
			p, err := conn.Read(time.Time{})
			if err != nil {
				break
			}
			d.handle(p)
		}
		stop()
		_ = conn.Close()
	}
}

func version(text string) fleet.Version {
	v, err := fleet.ParseVersion(text)
	if err != nil {
		panic(err)
	}
	return v
}

func TestABrokenDeviceFailsInTheRightPlaces(t *testing.T) {
	bench, err := conform.New(conform.Config{Addr: "127.0.0.1:0", Device: "dut", Secret: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan struct{})
	go func() {
		defer close(over)
		new(broken).run(ctx, bench.Addr().String())
	}()
	want := map[string]conform.Outcome{
		"hello/first-on-a-connection":        conform.Passed,
		"hello/boot-nonce-is-one-per-boot":   conform.Failed, // it draws none
		"welcome/asks-for-a-hello":           conform.Passed,
		"welcome/not-now-as-an-answer":       conform.Failed, // it says Hello to any reason 14
		"offer/too-large":                    conform.Failed,
		"chunk/wrong-digest":                 conform.Failed,
		"command/answered":                   conform.Passed,
		"command/repeated-is-answered-alike": conform.Failed,
		"connection/reconnects-with-jitter":  conform.Failed,
	}
	var cases []conform.Case
	for _, c := range conform.Cases() {
		if _, wanted := want[c.Name]; wanted {
			cases = append(cases, c)
		}
	}
	report, err := bench.Run(ctx, cases, func(conform.Result) {})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range report.Results {
		if r.Outcome != want[r.Name] {
			t.Errorf("%s: got %s (%s), want %s", r.Name, r.Outcome, r.Detail, want[r.Name])
		}
	}
	if len(report.Results) != len(want) {
		t.Errorf("%d cases were run, want %d", len(report.Results), len(want))
	}
	if report.Broken(conform.Must) == 0 {
		t.Error("no must was broken")
	}
	cancel()
	<-over
	end, done := context.WithTimeout(context.Background(), 10*time.Second)
	defer done()
	if err := bench.Close(end); err != nil {
		t.Error(err)
	}
}
