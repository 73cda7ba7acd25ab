package simulator

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/simulator/mqttlite"
)

func credentials(n int) []Credential {
	all := make([]Credential, n)
	for i := range all {
		all[i] = Credential{ID: fleet.DeviceID(fmt.Sprintf("dev-%04d", i)), Secret: "x"}
	}
	return all
}

// runFleet runs config against a cloud that gives everyone f, until the fleet runs it.
func runFleet(t *testing.T, config Config, f firmware) (*Fleet, Summary) {
	t.Helper()
	c := newCloud(t)
	go c.serve(f)
	t.Cleanup(func() { close(c.links) })
	config.Broker.Dialer = c.dial
	fl, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 6*time.Hour)
	defer cancel()
	return fl, fl.Run(ctx)
}

func everyone(f firmware) func(fleet.DeviceID) (Expectation, bool) {
	return func(fleet.DeviceID) (Expectation, bool) {
		return Expectation{Version: f.version, Digest: f.digest}, true
	}
}

func converged(f firmware) func(*Fleet) bool {
	return func(fl *Fleet) bool { return fl.Verdict(everyone(f)).OK }
}

func TestFleetConvergesInSpiteOfEveryFault(t *testing.T) {
	for _, client := range bothClients {
		t.Run(client.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFirmware(2, 50_000, 1024)
				var progress []Snapshot
				fl, r := runFleet(t, Config{
					Client: client.kind, Devices: credentials(40), Seed: 1, Ramp: 20, Done: converged(f), Expect: everyone(f),
					Profile: Profile{Chunk: 1024, ApplyTime: time.Second, Rehello: time.Minute},
					Faults: Faults{
						FailAt:    []StageChance{{StageDownload, 0.1}, {StageVerify, 0.1}, {StageStore, 0.1}, {StageApply, 0.1}},
						PowerLoss: []StageChance{{StageDownload, 0.2}, {StageApply, 0.2}},
						Revert:    0.2, Corrupt: 0.1, Drop: 0.3, NotNow: 0.1, NotNowFor: time.Minute, Slow: Slow{Rate: 2000, Share: 0.2},
					},
					Progress: func(s Snapshot) { progress = append(progress, s) },
				}, f)
				if r.Verdict == nil || !r.Verdict.OK || r.Verdict.Checked != 40 || r.Versions["2"] != 40 {
					t.Fatalf("verdict: got %+v, versions %v", r.Verdict, r.Versions)
				}
				s := r.Totals
				if s.Duplicates != 0 || s.Gaps != 0 || s.Failed == 0 || s.RolledBack == 0 || s.Confirmed != 40 {
					t.Errorf("totals: got %+v", s)
				}
				if len(progress) == 0 || progress[0].Online == 0 || fl.Snapshot().Online != 0 {
					t.Errorf("progress: got %d snapshots, %d online after the end", len(progress), fl.Snapshot().Online)
				}
			})
		})
	}
}

func TestSameSeedSameFaults(t *testing.T) {
	results := map[uint64]Stats{}
	for _, seed := range []uint64{1, 1, 2} {
		synctest.Test(t, func(t *testing.T) {
			f := newFirmware(2, 5_000, 1024)
			_, r := runFleet(t, Config{
				Client: Light, Devices: credentials(50), Seed: seed, Done: converged(f),
				Profile: Profile{Chunk: 1024, Rehello: time.Minute},
				Faults:  Faults{FailAt: []StageChance{{StageVerify, 0.3}}, Revert: 0.3, Drop: 0.3},
			}, f)
			got := Stats{Failed: r.Totals.Failed, RolledBack: r.Totals.RolledBack, Confirmed: r.Totals.Confirmed}
			if before, ran := results[seed]; ran && before != got {
				t.Errorf("seed %d: got %+v, then %+v", seed, before, got)
			}
			results[seed] = got
		})
	}
	if results[1] == results[2] {
		t.Errorf("seeds 1 and 2: both got %+v", results[1])
	}
}

func TestVerdictListsThoseThatDiffer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFirmware(2, 3000, 1024)
		start := time.Now()
		fl, r := runFleet(t, Config{
			Client: Light, Devices: append(credentials(3), Credential{ID: "old", Secret: "x", Version: fleet.WholeVersion(2)}),
			Done: func(*Fleet) bool { return time.Since(start) > time.Hour },
		}, f)
		if r.Verdict != nil {
			t.Errorf("a report without expectations has the verdict %+v", r.Verdict)
		}
		v := fl.Verdict(func(id fleet.DeviceID) (Expectation, bool) {
			switch id {
			case "dev-0000":
				return Expectation{Version: fleet.WholeVersion(3)}, true
			case "dev-0001":
				return Expectation{Version: fleet.WholeVersion(2), Digest: fleet.Digest{1}}, true
			case "dev-0002":
				return Expectation{}, false
			}
			return Expectation{Version: fleet.WholeVersion(2), Digest: fleet.Digest{1}}, true // old: it received nothing
		})
		if v.OK || v.Checked != 3 || v.Compared != 1 || len(v.Wrong) != 2 || v.Wrong[0].Device != "dev-0000" || v.Wrong[1].Device != "dev-0001" {
			t.Fatalf("got %+v", v)
		}
		if w := v.Wrong[0]; w.Want != "3" || w.Got != "2" || w.Reason != "its last update confirmed" {
			t.Errorf("got %+v", w)
		}
		if w := v.Wrong[1]; !strings.HasPrefix(w.Reason, "its image has SHA-256 "+f.digest.String()) {
			t.Errorf("got %+v", w)
		}
		if _, err := json.Marshal(r); err != nil {
			t.Error(err)
		}
	})
}

func TestDevicesCanBeDisturbed(t *testing.T) {
	play(t, quick, func(s *scene) {
		l, before := s.greet()
		s.settled()
		s.fleet.Rehello("dev-1", "unknown")
		l.welcome(l.hello())
		s.settled()
		s.fleet.Disconnect()
		l.expectEnd(false)
		l, h := s.greet()
		if h.Boot != before.Boot {
			s.t.Error("a lost connection booted the device")
		}
		s.settled()
		s.fleet.PowerCycle("dev-1")
		l.expectEnd(false)
		if _, h := s.greet(); h.Boot == before.Boot {
			s.t.Error("a power cycle did not boot the device")
		}
	})
}

func TestHasteShortensTheWaits(t *testing.T) {
	play(t, quick.with(func(c *Config) { c.Haste = 100 }), func(s *scene) {
		s.greet()
		s.settled()
		s.fleet.PowerCycle()
		start := time.Now()
		s.greet()
		if waited := time.Since(start); waited != bootTime/100 {
			s.t.Errorf("booted in %v, want %v", waited, bootTime/100)
		}
	})
}

func TestConfigThatCanNotWorkIsRefused(t *testing.T) {
	broker := mqttlite.Broker{Scheme: "tcp", Host: "localhost:1"}
	for _, row := range []struct {
		name, want string
		config     Config
	}{
		{"no broker", "no broker", Config{}},
		{"chunk", "chunk of 5 bytes", Config{Broker: broker, Profile: Profile{Chunk: 5}}},
		{"window", "window of 65 chunks", Config{Broker: broker, Profile: Profile{Window: 65}}},
		{"in flight", "window of 64 chunks of 65536 bytes", Config{Broker: broker, Profile: Profile{Chunk: 65536, Window: 64}}},
		{"twice", "appears twice", Config{Broker: broker, Devices: append(credentials(1), credentials(1)...)}},
	} {
		t.Run(row.name, func(t *testing.T) {
			if _, err := New(row.config); err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("got %v, want %q", err, row.want)
			}
		})
	}
}
