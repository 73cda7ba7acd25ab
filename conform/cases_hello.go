package conform

import (
	"bytes"
	"time"

	"github.com/muster-iot/muster/wire"
)

var helloCases = []Case{
	{Name: "hello/first-on-a-connection", Section: "hello", Level: Must, run: func(t *trial) {
		t.greet()
		if t.line.user != t.device.String() {
			t.failf("the user name is %q, expected the device id %q", t.line.user, t.device)
		}
		t.welcome(wire.Welcome{})
	}},
	{Name: "hello/deterministic-encoding", Section: "encoding", Level: Should, run: func(t *trial) {
		t.greet()
		t.welcome(wire.Welcome{})
		e := t.askForHello()
		if own := t.hello.Encode(); !bytes.Equal(own, e.payload) && len(own) == len(e.payload) {
			t.failf("the Hello is %x; with ascending keys and the shortest integers it is %x", e.payload, own)
		}
		t.welcome(wire.Welcome{})
	}},
	{Name: "hello/chunk-and-window-fit", Section: "hello", Level: Must, run: func(t *trial) {
		t.greet() // decoding refuses more than 262,144 bytes in flight
		t.welcome(wire.Welcome{})
	}},
	{Name: "hello/boot-nonce-is-one-per-boot", Section: "hello", Level: Should, run: func(t *trial) {
		t.greet()
		first := t.hello.Boot
		t.welcome(wire.Welcome{})
		if first == 0 {
			t.failf("the Hello has no boot nonce (key 12): a stored Hello of an earlier boot can't be recognized")
		}
		t.askForHello()
		if t.hello.Boot != first {
			t.failf("the boot nonce changed from %d to %d without a restart", first, t.hello.Boot)
		}
		t.welcome(wire.Welcome{})
	}},
	{Name: "hello/repeated-without-a-welcome", Section: "no-answer", Level: Must, run: func(t *trial) {
		t.greet()
		first := time.Now()
		e := t.await(16*time.Second, "a second Hello after 10 s without a Welcome", isKind(wire.TopicHello))
		if pause := e.at.Sub(first); pause < 8*time.Second {
			t.failf("the second Hello came after %.1f s, expected 10 s", pause.Seconds())
		}
		again := t.await(26*time.Second, "a third Hello after another 20 s", isKind(wire.TopicHello))
		if pause := again.at.Sub(e.at); pause < 15*time.Second {
			t.failf("the third Hello came after %.1f s, expected the wait to double to 20 s", pause.Seconds())
		}
		t.took(again)
		t.welcome(wire.Welcome{})
	}},
}

var welcomeCases = []Case{
	{Name: "welcome/asks-for-a-hello", Section: "welcome", Level: Must, run: func(t *trial) {
		t.greet()
		t.welcome(wire.Welcome{})
		t.askForHello()
		t.welcome(wire.Welcome{})
	}},
	{Name: "welcome/of-another-boot-is-ignored", Section: "welcome", Level: Must, run: func(t *trial) {
		t.greet()
		if t.hello.Boot == 0 {
			t.welcome(wire.Welcome{})
			t.skipf("the device sends no boot nonce")
		}
		t.send(wire.TopicWelcome, wire.Welcome{Boot: t.hello.Boot ^ 1, Time: time.Now(), Target: t.hello.Version}.Encode())
		t.took(t.await(16*time.Second, "another Hello: the Welcome was for another boot", isKind(wire.TopicHello)))
		t.welcome(wire.Welcome{})
	}},
	{Name: "welcome/again-after-seconds", Section: "welcome", Level: Must, run: func(t *trial) {
		t.greet()
		t.welcome(wire.Welcome{Reason: wire.ReasonBusy, Again: 3 * time.Second})
		asked := time.Now()
		e := t.await(14*time.Second+t.helloDebt(), "a Hello 3 s after a Welcome with key 5", isKind(wire.TopicHello))
		if pause := e.at.Sub(asked); pause < 2*time.Second {
			t.failf("the Hello came after %.1f s, the Welcome asked for 3 s", pause.Seconds())
		}
		t.took(e)
		t.welcome(wire.Welcome{})
	}},
	{Name: "welcome/not-now-as-an-answer", Section: "welcome", Level: Must, run: func(t *trial) {
		t.greet()
		t.welcome(wire.Welcome{Reason: wire.ReasonNotNow})
		t.never(5*time.Second, "sent another Hello: reason 14 in the answer to a Hello asks for nothing", isKind(wire.TopicHello))
	}},
	{Name: "welcome/unknown-keys-and-reasons", Section: "encoding", Level: Must, run: func(t *trial) {
		t.greet()
		w := wire.Welcome{Boot: t.hello.Boot, Time: time.Now(), Reason: 250}.Encode()
		w[0]++                          // one pair more
		w = append(w, 0x18, 0x63, 0xf6) // 99: null
		t.send(wire.TopicWelcome, w)
		t.never(13*time.Second, "did not take a Welcome with an unknown key and reason", func(e event) bool {
			return isKind(wire.TopicHello)(e) || e.kind == disconnected
		})
	}},
	{Name: "welcome/malformed-is-not-an-answer", Section: "encoding", Level: Should, run: func(t *trial) {
		t.greet()
		t.send(wire.TopicWelcome, []byte{0xbf, 0xff}) // a map of indefinite length
		t.took(t.await(16*time.Second, "another Hello: the Welcome was malformed", isKind(wire.TopicHello)))
		t.welcome(wire.Welcome{})
	}},
}
