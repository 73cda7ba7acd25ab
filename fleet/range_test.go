package fleet_test

import (
	"errors"
	"testing"

	"github.com/muster-iot/muster/fleet"
)

func TestRangesOfVersions(t *testing.T) {
	for _, row := range []struct {
		text, spelled string
		in, out       []string
	}{
		{"", "", []string{"0", "7", "build of tuesday", ""}, nil},
		{">=1.4.0", ">=1.4.0", []string{"1.4.0", "2", "2.0.0-rc.1"}, []string{"1.3.9", "1.4.0-rc.1", "build of tuesday", ""}},
		{"<2", "<2", []string{"1.9.9", "2.0.0-rc.1", "0"}, []string{"2", "2.0.0", "3", "build of tuesday"}},
		{"< 2.0.0,>= 1.4.0", ">=1.4.0 <2.0.0", []string{"1.4.0", "1.9.9"}, []string{"1.3.9", "2.0.0"}},
	} {
		r, err := fleet.ParseRange(row.text)
		if err != nil || r.String() != row.spelled || r.IsAll() != (row.text == "") {
			t.Errorf("%q: got %q, %v, want %q", row.text, r, err, row.spelled)
		}
		for _, text := range row.in {
			if !r.Has(fleet.ReportedVersion(text)) {
				t.Errorf("%q is not in %q", text, row.text)
			}
		}
		for _, text := range row.out {
			if r.Has(fleet.ReportedVersion(text)) {
				t.Errorf("%q is in %q", text, row.text)
			}
		}
	}
	for _, text := range []string{"1.4.0", ">1.4.0", "<=2", ">=1 >=2", "<1 <2", ">=2 <2", ">=3 <2.0.0", ">=", ">=v1.4.0", "^1.4", ">=1.4", "*"} {
		if r, err := fleet.ParseRange(text); !errors.Is(err, fleet.Invalid) {
			t.Errorf("%q: got %q, %v, want an error of kind %v", text, r, err, fleet.Invalid)
		}
	}
}
