package main

import (
	"strings"
	"testing"

	"github.com/muster-iot/muster/simulator"
)

func TestVerdictClaimsWhatWasCompared(t *testing.T) {
	totals := simulator.Stats{Confirmed: 2, Chunks: 9}
	const counts = "2 updates confirmed, 0 of 9 chunks sent to a device that held them already.\n"
	for _, row := range []struct {
		name    string
		verdict simulator.Verdict
		want    string
	}{
		{"images", simulator.Verdict{OK: true, Checked: 3, Compared: 2},
			"Verdict: all 3 devices run exactly what they should; 2 images compared, byte for byte.\n" + counts},
		{"versions alone", simulator.Verdict{OK: true, Checked: 3},
			"Verdict: all 3 devices run exactly what they should; no image was compared.\n" + counts},
		{"no", simulator.Verdict{Checked: 3, Wrong: []simulator.Wrong{
			{Device: "a", Got: "1", Want: "2", Reason: "it is offline"}, {Device: "b", Got: "1", Reason: "it never got a Welcome"}}},
			"Verdict: 2 of 3 devices do not run what they should:\n  a runs 1, should run 2: it is offline\n  b runs 1: it never got a Welcome\n"},
	} {
		t.Run(row.name, func(t *testing.T) {
			var out strings.Builder
			printVerdict(&out, row.verdict, totals)
			if out.String() != row.want {
				t.Errorf("got %q, want %q", out.String(), row.want)
			}
		})
	}
}

func TestFleetLinesSayWhyNobodyIsOnline(t *testing.T) {
	const trouble = "29 devices of 30: dial tcp 127.0.0.1:1: connect: connection refused"
	s := simulator.Snapshot{Devices: 30, Troubled: 29, Trouble: "dial tcp 127.0.0.1:1: connect: connection refused"}
	lines := fleetLines(s)
	if !strings.HasSuffix(lines[0], " | "+trouble) || lines[len(lines)-1] != "  "+trouble {
		t.Errorf("nobody online: got %q", lines)
	}
	s.Online = 1
	if text := strings.Join(fleetLines(s), "\n"); strings.Contains(text, "refused") {
		t.Errorf("one online: got %q", text)
	}
}
