//nolint:forbidigo // all sleeps are in synctest bubbles
package simulator

import (
	"testing"
	"time"

	"github.com/muster-iot/muster/wire"
)

func TestTakenOverDeviceWaitsAMinute(t *testing.T) {
	play(t, quick, func(s *scene) {
		for range 2 {
			l, _ := s.greet()
			s.settled()
			l.close()
		}
		start := time.Now()
		s.greet()
		if waited := time.Since(start); waited < wire.TakeoverPause {
			s.t.Errorf("came back after %v, want at least %v", waited, wire.TakeoverPause)
		}
	})
}

func TestRefusedDeviceBacksOffUpToFiveMinutes(t *testing.T) {
	play(t, quick, func(s *scene) {
		start := time.Now()
		for range 12 {
			s.accept(5).expectEnd(false)
			if waited := time.Since(start); waited > maxBackoff {
				s.t.Errorf("came back after %v, want at most %v", waited, maxBackoff)
			}
			start = time.Now()
		}
		if d := s.settled(); d.Trouble != "connection refused: not authorised (5)" || d.Stats.Connects != 0 {
			s.t.Errorf("got %+v", d)
		}
	})
}

func TestCommandIsCarriedOutOnce(t *testing.T) {
	play(t, quick, func(s *scene) {
		l, _ := s.greet()
		l.command(3, "four")
		m := l.expect(wire.TopicDone)
		if m.topic.Number != 3 || string(m.payload) != "ok 4" || m.qos != 1 {
			s.t.Fatalf("got %v %q at QoS %d, want the result of 3", m.topic, m.payload, m.qos)
		}
		s.settled()
		l.close() // before PUBACK

		l, _ = s.greet()
		l.command(3, "four") // answered again
		l.ack(l.expect(wire.TopicDone))
		s.settled()
		l.command(3, "four") // answered again
		if m := l.expect(wire.TopicDone); string(m.payload) != "ok 4" {
			s.t.Errorf("the repeated command was answered %q", m.payload)
		}
		l.quiet(time.Minute)
		if d := s.settled(); d.Stats.Commands != 1 || d.Stats.Repeated != 2 {
			s.t.Errorf("got %+v, want carried out once, repeated twice", d.Stats)
		}
	})
}

func TestNotNowUntilEnabled(t *testing.T) {
	play(t, quick.with(func(c *Config) { c.Faults.NotNow, c.Faults.NotNowFor = 1, time.Hour }), func(s *scene) {
		l, h := s.greet()
		if h.UpdatesOn {
			s.t.Error("Hello says updates are enabled")
		}
		l.quiet(10 * time.Minute)
		for s.settled(); len(l.in) == 0; s.settled() {
			time.Sleep(time.Minute)
		}
		l.report(wire.ReportUpdatesEnabled)
		s.settled()
		l.close()
		if _, h := s.greet(); !h.UpdatesOn {
			s.t.Error("Hello after enabling says updates are disabled")
		}
	})
}

func TestSlowDeviceTakesItsTime(t *testing.T) {
	play(t, quick.with(func(c *Config) { c.Faults.Slow = Slow{Rate: 256, Share: 1} }), func(s *scene) {
		l, _ := s.greet()
		start := time.Now()
		l.offer(two, 1, 0, 8)
		if r := l.feed(two); r.State != wire.ReportStored {
			s.t.Fatalf("got %+v, want stored", r)
		}
		if took := time.Since(start); took < 40*time.Second || took > 42*time.Second {
			s.t.Errorf("took %v, want 41 chunks at one per second", took)
		}
		if d := s.settled(); d.Stats.Repeats != 0 || d.Stats.Duplicates != 0 {
			s.t.Errorf("got %+v, want no repeated Want", d.Stats)
		}
	})
}

func TestMalformedMessagesChangeNothing(t *testing.T) {
	play(t, quick, func(s *scene) {
		l, _ := s.greet()
		kinds := []wire.TopicKind{wire.TopicWelcome, wire.TopicOffer, wire.TopicChunk, wire.TopicStop}
		for _, k := range kinds {
			l.tell(k, []byte{0xff})
		}
		l.quiet(time.Minute)
		if d := s.settled(); d.Stats.Malformed != len(kinds) || !d.Online {
			s.t.Errorf("got %+v, want %d malformed, still online", d, len(kinds))
		}
	})
}

func TestMessagesAndHellosComeAsOftenAsAsked(t *testing.T) {
	play(t, quick.with(func(c *Config) { c.Profile.Messages = time.Minute }), func(s *scene) {
		l, _ := s.greet()
		for range 3 {
			start := time.Now()
			m := l.expect(wire.TopicMessage)
			l.ack(m)
			if got := time.Since(start); got < 54*time.Second || got > 66*time.Second || m.topic.Name != "status" {
				s.t.Errorf("%v after %v, want one a minute, give or take a tenth", m.topic, got)
			}
		}
	})
	play(t, quick.with(func(c *Config) { c.Profile.Rehello = time.Minute }), func(s *scene) {
		l, _ := s.greet()
		for range 3 {
			l.welcome(l.hello())
		}
	})
}
