package precedence

import (
	"testing"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

// stones is a catalog in which 3.0.0 is reached from 1.0.0 by way of 1.4.0 and 2.0.0.
func stones(t *testing.T) *fleet.Catalog {
	c := &fleet.Catalog{Firmware: map[string]fleet.Firmware{}}
	for _, f := range []struct {
		version, requires string
		floor             uint32
		hardware          []string
	}{
		{version: "1.0.0"},
		{version: "1.4.0", requires: ">=1.0.0"},
		{version: "1.5.0", requires: ">=1.4.0", hardware: []string{"rev-b"}},
		{version: "2.0.0", requires: ">=1.4.0", floor: 2},
		{version: "3.0.0", requires: ">=2.0.0 <3", floor: 2},
		{version: "4.0.0", requires: ">=3.5.0", floor: 3},
	} {
		requires, err := fleet.ParseRange(f.requires)
		if err != nil {
			t.Fatal(err)
		}
		v := version(t, f.version)
		c.Firmware[v.Key()] = fleet.Firmware{Version: v, Requires: requires, Floor: f.floor, Hardware: f.hardware}
	}
	return c
}

func TestFirmwareThatADeviceCantTakeIsNeverOffered(t *testing.T) {
	c := stones(t)
	for _, row := range []struct {
		name              string
		running, hardware string
		target            string
		reason            fleet.ReasonCode // 0: it passes
		sentence          string           // of the refusal, or of the first step about it
		obstacle          string
	}{
		{name: "nothing is asked", running: "1.4.0", target: "1.0.0"},
		{name: "its hardware", running: "1.4.0", hardware: "rev-b", target: "1.5.0", sentence: "the image is for its hardware, rev-b"},
		{name: "other hardware", running: "1.4.0", hardware: "rev-a", target: "1.5.0", reason: wire.ReasonWrongProduct,
			sentence: "the image is for hardware rev-b, the device is rev-a", obstacle: "wrong_hardware"},
		{name: "unknown hardware", running: "1.4.0", target: "1.5.0", reason: wire.ReasonWrongProduct,
			sentence: "the image is for hardware rev-b, and the device reports none", obstacle: "wrong_hardware"},
		{name: "in the range", running: "2.0.0", target: "3.0.0", sentence: "the image's security counter, 2, is not below that of 2.0.0, which runs"},
		{name: "in a range without a counter", running: "1.0.0", target: "1.4.0", sentence: "1.4.0 can be installed over >=1.0.0"},
		{name: "by stepping stones", running: "1.0.0", target: "3.0.0",
			sentence: "3.0.0 can only be installed over >=2.0.0 <3: 1.4.0, 2.0.0, 3.0.0 are installed one after the other"},
		{name: "no way", running: "3.0.0", target: "4.0.0", reason: wire.ReasonOther,
			sentence: "no way from 3.0.0: 4.0.0 can only be installed over >=3.5.0, and no uploaded version leads there", obstacle: "no_way"},
		{name: "no way back to a stepping stone", running: "3.0.0", target: "1.5.0", hardware: "rev-b", reason: wire.ReasonOther,
			sentence: "the image's security counter, 0, is below 2, that of 3.0.0, which runs: its boot loader would refuse it", obstacle: "below_floor"},
		{name: "an unknown version runs", running: "build of tuesday", target: "1.4.0",
			sentence: "1.4.0 can only be installed over >=1.0.0: 1.0.0, 1.4.0 are installed one after the other"},
		{name: "below the floor", running: "3.0.0", target: "1.0.0", reason: wire.ReasonOther, obstacle: "below_floor",
			sentence: "the image's security counter, 0, is below 2, that of 3.0.0, which runs: its boot loader would refuse it"},
		{name: "back to the same counter", running: "3.0.0", target: "2.0.0", sentence: "the image's security counter, 2, is not below that of 3.0.0, which runs"},
	} {
		running := fleet.ReportedVersion(row.running)
		record := CandidateOf(&fleet.Device{Running: running, Hardware: row.hardware, UpdatesOn: true})
		entry := CandidateOfEntry(&fleet.IndexEntry{Running: running, Hardware: row.hardware, UpdatesOn: true})
		for what, candidate := range map[string]*Candidate{"record": &record, "entry": &entry} {
			candidate.Aim(c, version(t, row.target))
			candidate.MaxAttempts = 3
			r, held := candidate.Refusal()
			if held != (row.reason != 0) || r.Reason != row.reason || held && r.Step.String() != row.sentence {
				t.Errorf("%s, %s: got reason %d: %s; want %d: %s", row.name, what, r.Reason, r.Step, row.reason, row.sentence)
			}
			if got := candidate.Obstacle(); got != row.obstacle {
				t.Errorf("%s, %s: got obstacle %q, want %q", row.name, what, got, row.obstacle)
			}
			said := ""
			for _, step := range candidate.Steps() {
				if (said == "" || step.Outcome == HoldsBack || len(step.Path) > 0) && (step.Rule == RuleHardware || step.Rule == RuleFloor || step.Rule == RuleRequires) {
					said = step.String()
				}
			}
			if said != row.sentence {
				t.Errorf("%s, %s: explained as %q, want %q", row.name, what, said, row.sentence)
			}
		}
	}
}
