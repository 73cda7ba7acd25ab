package fleet_test

import (
	"testing"

	"github.com/muster-iot/muster/fleet"
)

func TestVersionThatAnImageStates(t *testing.T) {
	for _, row := range []struct {
		name   string
		format fleet.ImageFormat
		text   string
		stated string // "": none
		fits   []string
		not    []string
	}{
		{name: "a tag", format: fleet.FormatESPIDF, text: "v1.4.0", stated: "1.4.0", fits: []string{"1.4.0"}, not: []string{"1.4.0-rc.1", "1.4.1", "1"}},
		{name: "commits after a tag", format: fleet.FormatESPIDF, text: "v1.2.3-4-gabcdef", stated: "1.2.3-4-gabcdef", fits: []string{"1.2.3-4-gabcdef"}, not: []string{"1.2.3"}},
		{name: "uncommitted changes", format: fleet.FormatESPIDF, text: "1.2.3-dirty", stated: "1.2.3-dirty", not: []string{"1.2.3"}},
		{name: "a commit", format: fleet.FormatESPIDF, text: "abcdef1", fits: []string{"1.2.3", "7"}},
		{name: "a short form", format: fleet.FormatESPIDF, text: "v1.2", fits: []string{"1.2.0", "7"}},
		{name: "a whole number", format: fleet.FormatESPIDF, text: "7", stated: "7", fits: []string{"7", "7.0.0"}, not: []string{"8", "7.0.0-rc.1"}},
		{name: "build metadata", format: fleet.FormatUF2, text: "0.1.2+20261128", stated: "0.1.2", fits: []string{"0.1.2"}, not: []string{"0.1.3"}},
		{name: "two leading letters", format: fleet.FormatUF2, text: "vv1.0.0"},
		{name: "a build number", format: fleet.FormatMCUboot, text: "1.2.3+4", stated: "1.2.3", fits: []string{"1.2.3", "1.2.3-rc.1"}, not: []string{"1.2.4", "1.2.4-rc.1"}},
		{name: "a whole number in MCUboot", format: fleet.FormatMCUboot, text: "7.0.0", stated: "7.0.0", fits: []string{"7", "7.0.0-rc.1"}, not: []string{"70", "8"}},
		{name: "none", format: fleet.FormatMCUboot, fits: []string{"7", "1.2.3-rc.1"}},
		{name: "opaque", fits: []string{"7"}},
	} {
		m := fleet.Metadata{Format: row.format, Version: row.text}
		if got := m.StatedVersion().String(); got != row.stated {
			t.Errorf("%s: %q states %q, want %q", row.name, row.text, got, row.stated)
		}
		for _, label := range row.fits {
			if !m.Fits(parse(t, label)) {
				t.Errorf("%s: label %s does not fit %q", row.name, label, row.text)
			}
		}
		for _, label := range row.not {
			if m.Fits(parse(t, label)) {
				t.Errorf("%s: label %s fits %q", row.name, label, row.text)
			}
		}
	}
}
