package simulator

import (
	"fmt"
	"testing"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
	"github.com/muster-iot/muster/wire/mqtt"
)

func TestLostConnectionResumesFromTheChunksKept(t *testing.T) {
	play(t, quick, func(s *scene) {
		l, before := s.greet()
		l.offer(two, 1, 0, 8)
		l.report(wire.ReportDownloading)
		w := l.want()
		l.push(two, w.First, 2)
		l.want()
		s.settled()
		l.close()

		l, h := s.greet()
		if h.Partial == nil || *h.Partial != (wire.Partial{Image: two.digest.Image(), Next: 10, Chunk: 256}) {
			s.t.Fatalf("partial: got %+v, want 10 chunks", h.Partial)
		}
		if h.Boot != before.Boot {
			s.t.Error("the boot nonce changed without a boot")
		}
		l.offer(two, 1, 10, 8)
		l.report(wire.ReportDownloading)
		if r := l.feed(two); r.State != wire.ReportStored {
			s.t.Fatalf("got %+v, want stored", r)
		}
		d := s.settled()
		if d.Stats.Duplicates != 0 || d.Stats.Bytes != int64(len(two.bytes)) || d.Stats.Updates != 1 {
			s.t.Errorf("got %+v, want each byte once, one update", d.Stats)
		}
	})
}

func TestPowerLossBootsAnewAndResumes(t *testing.T) {
	for _, row := range []struct {
		stage   Stage
		partial bool
		version fleet.Version
	}{
		{StageDownload, true, fleet.WholeVersion(1)},
		{StageVerify, true, fleet.WholeVersion(1)},
		{StageStore, true, fleet.WholeVersion(1)},
		{StageApply, false, two.version},
	} {
		t.Run(row.stage.String(), func(t *testing.T) {
			config := quick.with(func(c *Config) { c.Faults.PowerLoss = []StageChance{{row.stage, 1}} })
			play(t, config, func(s *scene) {
				l, before := s.greet()
				l.offer(two, 1, 0, 8)
				l.feedUntilEnd(two)
				l, h := s.greet()
				if h.Boot == before.Boot || (h.Partial != nil) != row.partial || !h.Version.Equal(row.version) {
					s.t.Fatalf("Hello after the power loss: got %+v, want partial %v", h, row.partial)
				}
				if row.partial {
					l.offer(two, 1, h.Partial.Next, 8)
					if r := l.feed(two); r.State != wire.ReportStored {
						s.t.Fatalf("got %+v, want stored", r)
					}
				}
				if d := s.settled(); d.Stats.Boots != 2 || d.Stats.Duplicates != 0 || d.Stats.Bytes != int64(len(two.bytes)) {
					s.t.Errorf("got %+v", d.Stats)
				}
			})
		})
	}
}

func TestDroppedConnectionIsNoBoot(t *testing.T) {
	play(t, quick.with(func(c *Config) { c.Faults.Drop = 1 }), func(s *scene) {
		l, before := s.greet()
		l.offer(two, 1, 0, 8)
		l.feedUntilEnd(two)
		if _, h := s.greet(); h.Boot != before.Boot || h.Partial == nil {
			s.t.Errorf("got %+v, want the same boot and a partial", h)
		}
	})
}

// feedUntilEnd answers Wants until the connection ends without a DISCONNECT.
func (l *link) feedUntilEnd(f firmware) {
	l.t.Helper()
	for {
		m := l.next()
		switch {
		case m.kind == 0:
			return
		case m.kind == mqtt.Disconnect:
			l.t.Fatal("got DISCONNECT, want the connection cut")
		case m.topic.Kind == wire.TopicWant:
			w := decoded(l.t, wire.DecodeWant, m)
			l.push(f, w.First, w.Count)
		}
	}
}

func TestFailuresAreReportedWithTheirReason(t *testing.T) {
	for _, row := range []struct {
		name   string
		faults Faults
		max    uint64
		reason fleet.ReasonCode
	}{
		{"a byte flips", Faults{Corrupt: 1}, 0, wire.ReasonDigest},
		{"writing to flash", Faults{FailAt: []StageChance{{StageDownload, 1}}}, 0, wire.ReasonStorage},
		{"verification", Faults{FailAt: []StageChance{{StageVerify, 1}}}, 0, wire.ReasonDigest},
		{"storing", Faults{FailAt: []StageChance{{StageStore, 1}}}, 0, wire.ReasonStorage},
		{"no room", Faults{}, 1000, wire.ReasonImageTooLarge},
	} {
		t.Run(row.name, func(t *testing.T) {
			play(t, quick.with(func(c *Config) { c.Faults, c.Profile.MaxImage = row.faults, row.max }), func(s *scene) {
				l, _ := s.greet()
				l.offer(two, 9, 0, 8)
				r := l.feed(two)
				if r.State != wire.ReportFailed || r.Reason != row.reason || r.Update != (fleet.UpdateID{9}) {
					s.t.Fatalf("got %+v, want failed, reason %d", r, row.reason)
				}
				s.settled()
				l.close()
				_, h := s.greet()
				if h.Last != nil || h.Partial != nil || h.Version.String() != "1" {
					s.t.Errorf("Hello after an acknowledged failure: got %+v, want neither outcome nor partial", h)
				}
			})
		})
	}
}

func TestFailureThatWasNotAcknowledgedIsSaidInHello(t *testing.T) {
	play(t, quick.with(func(c *Config) { c.Faults.Corrupt = 1 }), func(s *scene) {
		l, _ := s.greet()
		l.offer(newFirmware(5, 100, 256), 9, 0, 1)
		l.report(wire.ReportDownloading)
		l.expect(wire.TopicReport)
		l.close()
		want := wire.Outcome{Update: fleet.UpdateID{9}, Result: wire.OutcomeFailed, Reason: wire.ReasonDigest}
		if _, h := s.greet(); h.Last == nil || *h.Last != want {
			s.t.Errorf("got %+v, want %+v", h.Last, want)
		}
	})
}

func TestOldVersionRunsAfterARestartThatWentWrong(t *testing.T) {
	for _, row := range []struct {
		name   string
		faults Faults
		want   wire.Outcome
	}{
		{"revert", Faults{Revert: 1}, wire.Outcome{Result: wire.OutcomeRolledBack, Reason: wire.ReasonRolledBack}},
		{"apply", Faults{FailAt: []StageChance{{StageApply, 1}}}, wire.Outcome{Result: wire.OutcomeFailed, Reason: wire.ReasonOther}},
	} {
		t.Run(row.name, func(t *testing.T) {
			play(t, quick.with(func(c *Config) { c.Faults = row.faults }), func(s *scene) {
				l, _ := s.greet()
				l.offer(three, 4, 0, 8)
				l.feed(three)
				l.report(wire.ReportApplying)
				l.expectEnd(true)
				row.want.Update = fleet.UpdateID{4}
				_, h := s.greet()
				if h.Version.String() != "1" || h.Last == nil || *h.Last != row.want {
					s.t.Errorf("got version %v, outcome %+v; want 1, %+v", h.Version, h.Last, row.want)
				}
			})
		})
	}
}

func TestBrokenFirmwareIsRolledBackAtEachTry(t *testing.T) {
	config := quick.with(func(c *Config) {
		c.Profile.Hardware = "rev-b"
		c.Faults.Breaks = []Break{{two.version, "rev-a", 1}, {three.version, "rev-b", 1}}
	})
	play(t, config, func(s *scene) {
		for n, row := range []struct {
			firmware
			runs fleet.Version
		}{{three, fleet.WholeVersion(1)}, {three, fleet.WholeVersion(1)}, {two, two.version}} {
			l, h := s.greet()
			if h.Hardware != "rev-b" {
				s.t.Fatalf("got hardware %q", h.Hardware)
			}
			l.offer(row.firmware, byte(n+1), 0, 8)
			l.feed(row.firmware)
			l.report(wire.ReportApplying)
			l.expectEnd(true)
			if d := s.settled(); !d.Running.Equal(row.runs) {
				s.t.Fatalf("after update %d: runs %v, want %v", n+1, d.Running, row.runs)
			}
		}
		if tried := s.device().Tried; len(tried) != 2 || !tried[0].Equal(three.version) || !tried[1].Equal(two.version) {
			s.t.Errorf("tried %v, want 3 and 2, each once", tried)
		}
	})
}

func TestABreakHitsItsShareOfTheDevices(t *testing.T) {
	f := Faults{Breaks: []Break{{three.version, "rev-b", 0.3}}}
	broken := 0
	for n := range 10_000 {
		if f.Broken(1, fleet.DeviceID(fmt.Sprint("dev-", n)), "rev-b", three.version) {
			broken++
		}
	}
	if broken < 2_800 || broken > 3_200 {
		t.Errorf("%d of 10,000 devices, want about 30 %%", broken)
	}
}

func TestStopEndsTheUpdate(t *testing.T) {
	play(t, quick, func(s *scene) {
		l, _ := s.greet()
		l.offer(two, 1, 0, 8)
		l.report(wire.ReportDownloading)
		l.want()
		l.want()
		other := wire.Stop{Image: three.digest.Image(), Reason: wire.ReasonStopped}
		l.tell(wire.TopicStop, other.Encode())
		l.tell(wire.TopicStop, wire.Stop{Image: two.digest.Image(), Reason: wire.ReasonStopped, Update: fleet.UpdateID{2}}.Encode())
		if d := s.settled(); d.State != Downloading || d.Stats.Strays != 2 {
			s.t.Fatalf("after a Stop for other updates: got %+v", d)
		}
		l.tell(wire.TopicStop, wire.Stop{Image: two.digest.Image(), Reason: wire.ReasonStopped, Update: fleet.UpdateID{1}}.Encode())
		l.push(two, 8, 4)
		l.quiet(time.Minute)
		if d := s.settled(); d.State != Idle || d.Stats.Stops != 1 || d.Ended != "stopped: stopped by an operator" {
			s.t.Errorf("got %+v", d)
		}
	})
}

func TestStopAfterApplyingIsIgnored(t *testing.T) {
	play(t, quick, func(s *scene) {
		l, _ := s.greet()
		l.offer(three, 1, 0, 8)
		l.feed(three)
		m := l.expect(wire.TopicReport)
		l.tell(wire.TopicStop, wire.Stop{Image: three.digest.Image(), Reason: wire.ReasonStopped}.Encode())
		l.tell(wire.TopicOffer, two.offer(2, 0).Encode())
		l.quiet(time.Second)
		l.ack(m)
		l.expectEnd(true)
		if _, h := s.greet(); !h.Version.Equal(three.version) {
			s.t.Errorf("got version %v, want 3", h.Version)
		}
	})
}

func TestOfferOfAnotherUpdateReplacesTheRunningOne(t *testing.T) {
	play(t, quick, func(s *scene) {
		l, _ := s.greet()
		l.offer(two, 1, 0, 8)
		l.report(wire.ReportDownloading)
		l.want()
		l.tell(wire.TopicStop, wire.Stop{Image: two.digest.Image(), Reason: wire.ReasonSuperseded, Update: fleet.UpdateID{1}}.Encode())
		l.offer(three, 2, 0, 8)
		if r := l.feed(three); r.State != wire.ReportStored || r.Update != (fleet.UpdateID{2}) {
			s.t.Fatalf("got %+v, want update 2 stored", r)
		}
		l.report(wire.ReportApplying)
		l.expectEnd(true)
		if _, h := s.greet(); !h.Version.Equal(three.version) || h.Digest != three.digest {
			s.t.Errorf("got %+v, want version 3", h)
		}
	})
}

func TestOfferThatRepeatsTheUpdateContinuesIt(t *testing.T) {
	play(t, quick, func(s *scene) {
		l, _ := s.greet()
		l.offer(two, 1, 0, 8)
		l.report(wire.ReportDownloading)
		l.want()
		l.want()
		l.offer(two, 1, 8, 8)
		if r := l.feed(two); r.State != wire.ReportStored {
			s.t.Fatalf("got %+v, want stored", r)
		}
		if d := s.settled(); d.Stats.Updates != 1 || d.Stats.Duplicates != 0 {
			s.t.Errorf("got %+v, want one update, no duplicates", d.Stats)
		}
	})
}

func TestHelloDuringADownloadWaitsForTheChunksUnderWay(t *testing.T) {
	play(t, quick, func(s *scene) {
		l, _ := s.greet()
		l.offer(two, 1, 0, 4)
		l.report(wire.ReportDownloading)
		l.tell(wire.TopicWelcome, wire.Welcome{Time: time.Now(), Reason: wire.ReasonNotNow}.Encode())
		w := l.want() // asked before the Welcome came: chunks 8 to 11
		l.quiet(time.Second)
		l.push(two, 4, 4)
		l.push(two, w.First, w.Count)
		if h := l.hello(); h.Partial == nil || h.Partial.Next != 12 {
			s.t.Fatalf("got %+v, want a partial of 12 chunks", h.Partial)
		} else {
			l.welcome(h)
		}
		l.offer(two, 1, 12, 8)
		if r := l.feed(two); r.State != wire.ReportStored {
			s.t.Fatalf("got %+v, want stored", r)
		}
		if d := s.settled(); d.Stats.Duplicates != 0 {
			s.t.Errorf("got %d duplicates, want none", d.Stats.Duplicates)
		}
	})
}

// Nothing else would remember a Hello that waited for chunks when the update fails with
// the last of them.
func TestAHelloThatWaitedForChunksIsSaidWhenTheUpdateFails(t *testing.T) {
	failing := quick.with(func(c *Config) { c.Faults.FailAt = []StageChance{{Stage: StageVerify, Chance: 1}} })
	play(t, failing, func(s *scene) {
		four := newFirmware(2, 4*int(two.chunk), two.chunk)
		l, _ := s.greet()
		l.offer(four, 1, 0, 2)
		l.report(wire.ReportDownloading)
		l.tell(wire.TopicWelcome, wire.Welcome{Time: time.Now(), Reason: wire.ReasonNotNow}.Encode())
		l.quiet(time.Second)
		l.push(four, 2, 2)
		l.report(wire.ReportFailed)
		if h := l.hello(); h.Partial != nil {
			s.t.Errorf("got a partial %+v after a digest that differs", h.Partial)
		}
	})
}
