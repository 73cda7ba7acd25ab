package conform

import (
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

var applyCases = []Case{
	{Name: "apply/waits-for-the-puback", Section: "report", Level: Must, run: func(t *trial) {
		t.takesUpdates()
		m := t.toStore(10)
		t.withhold(wire.ReportApplying)
		t.offered(m, t.chunkSize(), 0)
		t.stored(m, nil)
		t.await(30*time.Second, "a Report applying", func(e event) bool {
			return isKind(wire.TopicReport)(e) && t.checkedReport(e).State == wire.ReportApplying
		})
		t.never(4*time.Second, "restarted before the PUBACK of applying, which it waits for up to 10 s", func(e event) bool { return e.kind == disconnected })
		t.letGo()
		t.offer = wire.Offer{}
		t.reconnected()
	}},
	{Name: "apply/gives-up-waiting-for-the-puback", Section: "report", Level: Must, run: func(t *trial) {
		t.takesUpdates()
		m := t.toStore(10)
		t.withhold(wire.ReportApplying)
		t.offered(m, t.chunkSize(), 0)
		t.stored(m, nil)
		t.offer, t.line = wire.Offer{}, nil
		t.await(30*time.Second, "a restart 10 s after applying", func(e event) bool { return e.kind == disconnected })
		t.letGo()
		t.reconnected()
	}},
	{Name: "apply/a-stop-comes-too-late", Section: "stop", Level: Must, run: func(t *trial) {
		t.takesUpdates()
		m := t.toStore(10)
		before := t.hello.Boot
		t.withhold(wire.ReportApplying)
		t.offered(m, t.chunkSize(), 0)
		t.stored(m, nil)
		t.await(30*time.Second, "a Report applying", func(e event) bool {
			return isKind(wire.TopicReport)(e) && t.checkedReport(e).State == wire.ReportApplying
		})
		t.send(wire.TopicStop, wire.Stop{Image: t.offer.Image(), Reason: wire.ReasonStopped, Update: t.offer.Update}.Encode())
		t.letGo()
		t.offer = wire.Offer{}
		t.reconnected()
		if before != 0 && t.hello.Boot == before {
			t.failf("the device did not restart: after applying a Stop is ignored")
		}
	}},
	{Name: "apply/new-version-and-boot-in-the-next-hello", Section: "an-update", Level: Must, run: func(t *trial) {
		t.takesUpdates()
		m := t.toStore(10)
		before := t.hello.Boot
		t.offered(m, t.chunkSize(), 0)
		t.stored(m, nil)
		t.offer, t.line = wire.Offer{}, nil
		t.reconnected()
		if !t.hello.Version.Equal(m.version) {
			t.failf("after the update to %s the Hello says version %s", m.version, t.hello.Version)
		}
		if before != 0 && t.hello.Boot == before {
			t.failf("the boot nonce is the one from before the restart")
		}
	}},
	{Name: "apply/outcome-is-sent-until-a-welcome", Section: "hello", Level: Should, run: func(t *trial) {
		t.takesUpdates()
		m := t.toStore(10)
		t.offered(m, t.chunkSize(), 0)
		update := t.offer.Update
		t.stored(m, nil)
		t.offer, t.line = wire.Offer{}, nil
		t.reconnected()
		t.hasOutcome(update)
		t.cut(0) // this Hello gets no Welcome
		t.reconnected()
		t.hasOutcome(update)
	}},
	{Name: "connection/stays-away-after-a-takeover", Section: "connection", Level: Should, Slow: true, run: func(t *trial) {
		// MQTT 3.1.1 gives no reason for a close: such a device takes the first for a lost link.
		for range 2 {
			t.greet()
			t.welcome(wire.Welcome{})
			connection := t.line // a device counts takeovers after a Welcome: it has a second to read this one
			t.never(t.within(time.Second), "disconnected after a Welcome", func(e event) bool { return e.kind == disconnected && e.line == connection })
			t.line = nil
			if err := t.takeOver(); err != nil {
				t.skipf("the bench could not connect as a second device: %v", err)
			}
			t.await(5*time.Second, "the end of the device's connection", func(e event) bool { return e.kind == disconnected })
			if !t.returns(45 * time.Second) {
				t.reconnected()
				t.welcome(wire.Welcome{})
				return
			}
		}
		t.failf("the device came back within a minute of a second takeover")
	}},
}

// returns reports whether the device connects again within d, and waits for its Hello.
func (t *trial) returns(d time.Duration) bool {
	for until := time.Now().Add(d); ; {
		e, ok := t.next(until)
		switch {
		case !ok:
			return false
		case e.kind == connected && e.line.user != secondUser(t.device):
			t.line = e.line
			t.greeted()
			return true
		}
	}
}

func (t *trial) hasOutcome(update fleet.UpdateID) {
	last := t.hello.Last
	switch {
	case last == nil:
		t.failf("the Hello after the restart has no outcome (key 9)")
	case last.Update != update || last.Result != wire.OutcomeConfirmed:
		t.failf("the Hello after the restart says %d of update %x, expected confirmed of %x", last.Result, last.Update[:4], update[:4])
	}
}
