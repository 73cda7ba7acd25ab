package simulator

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

// scene is one device against a scripted cloud, on fake time.
type scene struct {
	*cloud
	t     *testing.T
	fleet *Fleet
}

func (s *scene) device() DeviceStatus {
	d, _ := s.fleet.Device("dev-1")
	return d
}

// settled is the device's status once nothing moves any more.
func (s *scene) settled() DeviceStatus {
	synctest.Wait()
	return s.device()
}

var bothClients = []struct {
	name string
	kind ClientKind
}{{"light", Light}, {"paho", Paho}}

// play runs script against a device of each client.
func play(t *testing.T, config Config, script func(s *scene)) {
	t.Helper()
	for _, c := range bothClients {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &scene{cloud: newCloud(t), t: t}
				config := config
				config.Client = c.kind
				config.Broker.Dialer = s.dial
				config.Devices = []Credential{{ID: "dev-1", Secret: "s3cret"}}
				f, err := New(config)
				if err != nil {
					t.Fatal(err)
				}
				s.fleet = f
				ctx, cancel := context.WithCancel(t.Context())
				ended := make(chan struct{})
				go func() { defer close(ended); f.Run(ctx) }()
				t.Cleanup(func() { cancel(); <-ended })
				script(s)
			})
		})
	}
}

var (
	quick = Config{Profile: Profile{Chunk: 256, Window: 8, Keep: true}}
	two   = newFirmware(2, 256*40+17, 256) // 41 chunks
	three = newFirmware(3, 256*20, 256)
)

func (c Config) with(change func(*Config)) Config { change(&c); return c }

func TestJoinAndStayConnected(t *testing.T) {
	config := quick.with(func(c *Config) { c.Profile.Product, c.Profile.Hardware, c.Profile.MaxImage = "lamp", "B", 1<<20 })
	play(t, config, func(s *scene) {
		l, h := s.greet()
		if l.device != "dev-1" || l.secret != "s3cret" {
			s.t.Errorf("CONNECT: got %s, %s", l.device, l.secret)
		}
		got := [...]any{h.Version.String(), h.Product, h.Hardware, h.MaxImage, h.Chunk, h.Window, h.UpdatesOn, h.Partial == nil, h.Last == nil, h.Boot != 0}
		want := [...]any{"1", "lamp", "B", uint64(1 << 20), uint32(256), uint32(8), true, true, true, true}
		if got != want {
			s.t.Errorf("Hello: got %v, want %v", got, want)
		}
		l.quiet(10 * time.Minute) // pings are answered by the link itself
		if d := s.settled(); !d.Online || d.Stats.Handshakes != 1 || d.Stats.Connects != 1 {
			s.t.Errorf("after ten minutes: got %+v", d)
		}
	})
}

func TestUpdateFromOfferToConfirmation(t *testing.T) {
	play(t, quick, func(s *scene) {
		l, first := s.greet()
		l.offer(two, 7, 0, 8)
		l.report(wire.ReportDownloading)
		if w := l.want(); w.First != 8 || w.Count != 4 || w.Image != two.digest.Image() {
			s.t.Fatalf("first Want, at half a window: got %+v, want chunks 8 to 11", w)
		} else {
			l.push(two, w.First, w.Count)
		}
		if r := l.feed(two); r.State != wire.ReportStored || r.Update != (fleet.UpdateID{7}) {
			s.t.Fatalf("got %+v, want stored", r)
		}
		m := l.expect(wire.TopicReport)
		if r := decoded(s.t, wire.DecodeReport, m); r.State != wire.ReportApplying {
			s.t.Fatalf("got %+v, want applying", r)
		}
		l.quiet(9 * time.Second) // it waits for PUBACK
		l.ack(m)
		l.expectEnd(true)

		_, h := s.greet()
		if !h.Version.Equal(two.version) || h.Digest != two.digest || h.Boot == first.Boot || h.Partial != nil {
			s.t.Errorf("Hello after the restart: got %+v", h)
		}
		if h.Last == nil || *h.Last != (wire.Outcome{Update: fleet.UpdateID{7}, Result: wire.OutcomeConfirmed}) {
			s.t.Errorf("outcome: got %+v, want confirmed", h.Last)
		}
		d := s.settled()
		if d.Stats.Duplicates+d.Stats.Gaps+d.Stats.Repeats+d.Stats.Strays != 0 || d.Stats.Bytes != int64(len(two.bytes)) {
			s.t.Errorf("stats: got %+v", d.Stats)
		}
		if string(d.Image) != string(two.bytes) {
			s.t.Error("the image that runs is not the image that was sent")
		}
	})
}

func TestRestartsTenSecondsAfterApplyingWithoutPuback(t *testing.T) {
	play(t, quick, func(s *scene) {
		l, _ := s.greet()
		l.offer(three, 1, 0, 8)
		l.feed(three)
		l.expect(wire.TopicReport)
		start := time.Now()
		l.expectEnd(true)
		if waited := time.Since(start); waited != wire.ApplyTimeout {
			s.t.Errorf("restarted after %v, want %v", waited, wire.ApplyTimeout)
		}
	})
}

func TestHelloIsRepeatedWithDoublingWaitUntilWelcome(t *testing.T) {
	play(t, quick, func(s *scene) {
		l := s.accept(0)
		h := l.hello()
		for _, wait := range []time.Duration{10 * time.Second, 20 * time.Second, 40 * time.Second, 80 * time.Second} {
			start := time.Now()
			l.hello()
			if got := time.Since(start); got != wait {
				s.t.Errorf("next Hello after %v, want %v", got, wait)
			}
		}
		l.welcome(h)
		l.quiet(10 * time.Minute)
	})
}

func TestWelcomeToAnEarlierBootDoesNotCount(t *testing.T) {
	play(t, quick, func(s *scene) {
		l := s.accept(0)
		h := l.hello()
		l.tell(wire.TopicWelcome, wire.Welcome{Boot: h.Boot + 2, Time: time.Now()}.Encode())
		again := l.hello()
		l.welcome(again)
		l.welcome(again) // repeated: changes nothing
		l.quiet(10 * time.Minute)
		if d := s.settled(); d.Stats.Handshakes != 1 || d.Stats.Strays != 1 {
			s.t.Errorf("got %+v, want one handshake, one stray", d.Stats)
		}
	})
}

func TestWelcomeWithReason14AsksForANewHello(t *testing.T) {
	play(t, quick, func(s *scene) {
		l, first := s.greet()
		for range 6 { // more than the Hello burst: the device paces itself
			l.tell(wire.TopicWelcome, wire.Welcome{Time: time.Now(), Reason: wire.ReasonNotNow}.Encode())
			h := l.hello()
			if h.Boot != first.Boot {
				s.t.Error("the boot nonce changed without a boot")
			}
			l.welcome(h)
		}
		if d := s.settled(); d.Stats.Handshakes != 7 {
			s.t.Errorf("got %d handshakes, want 7", d.Stats.Handshakes)
		}
	})
}

func TestWelcomeSaysWhenToTryAgain(t *testing.T) {
	play(t, quick, func(s *scene) {
		l := s.accept(0)
		h := l.hello()
		l.tell(wire.TopicWelcome, wire.Welcome{Boot: h.Boot, Time: time.Now(), Reason: wire.ReasonBusy, Again: 90 * time.Second}.Encode())
		start := time.Now()
		l.hello()
		if got := time.Since(start); got != 90*time.Second {
			s.t.Errorf("Hello again after %v, want 90s", got)
		}
	})
}

func TestSilenceRepeatsTheWantFromTheFirstMissingChunk(t *testing.T) {
	play(t, quick, func(s *scene) {
		l, _ := s.greet()
		l.offer(two, 1, 0, 3) // five of the window never come
		l.report(wire.ReportDownloading)
		for range 3 {
			start := time.Now()
			if w := l.want(); w.First != 3 || w.Count != 8 || time.Since(start) != wire.ChunkTimeout {
				s.t.Fatalf("got %+v after %v, want 3 to 10 after %v", w, time.Since(start), wire.ChunkTimeout)
			}
		}
		l.push(two, 3, 8)
		if r := l.feed(two); r.State != wire.ReportStored {
			s.t.Fatalf("got %+v, want stored", r)
		}
		if d := s.settled(); d.Stats.Repeats != 3 || d.Stats.Duplicates != 0 {
			s.t.Errorf("got %+v, want 3 repeats, no duplicates", d.Stats)
		}
	})
}

func TestGapAsksForTheMissingChunksOnce(t *testing.T) {
	play(t, quick, func(s *scene) {
		l, _ := s.greet()
		l.offer(two, 1, 0, 2)
		l.report(wire.ReportDownloading)
		l.push(two, 5, 3)
		if w := l.want(); w.First != 2 || w.Count != 8 {
			s.t.Fatalf("got %+v, want 2 to 9", w)
		}
		l.quiet(time.Second)
		l.push(two, 2, 8)
		if r := l.feed(two); r.State != wire.ReportStored {
			s.t.Fatalf("got %+v, want stored", r)
		}
		if d := s.settled(); d.Stats.Gaps != 3 {
			s.t.Errorf("got %d gaps, want 3", d.Stats.Gaps)
		}
	})
}

func TestNothingIsPushedWithoutAWindow(t *testing.T) {
	play(t, quick.with(func(c *Config) { c.Profile.Window = NoWindow }), func(s *scene) {
		l, h := s.greet()
		if h.Window != 0 {
			s.t.Fatalf("window: got %d, want 0", h.Window)
		}
		l.offer(three, 1, 0, 0)
		if w := l.want(); w.First != 0 || w.Count != wire.DefaultWindow {
			s.t.Fatalf("got %+v, want 0 to 7", w)
		}
		l.push(three, 0, 8)
		if r := l.feed(three); r.State != wire.ReportStored {
			s.t.Fatalf("got %+v, want stored", r)
		}
	})
}
