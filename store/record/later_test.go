package record

import (
	"maps"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-iot/muster/fleet"
)

// TestFieldsOfALaterReleaseAreKept has a record of a release that runs side by side with this one.
func TestFieldsOfALaterReleaseAreKept(t *testing.T) {
	in := filled[fleet.Device]()
	in.Later, in.Gateway = nil, in.Gateway.In(in.Team)
	fields := writeDevice(&in)
	for field := range fields {
		if !known(field) {
			t.Errorf("%s is written and not known: it would be written twice", field)
		}
	}
	newer := maps.Clone(fields)
	newer["f"] = "Y" + newer["f"] + "Z"
	newer["zz"], newer["yy"] = "of a later release", "too"
	var d fleet.Device
	if err := ReadDevice(newer, &d); err != nil {
		t.Fatal(err)
	}
	d.Disabled = false
	written := writeDevice(&d)
	want := maps.Clone(newer)
	want["f"] = "YZ" + fields["f"][1:] // without x
	if diff := cmp.Diff(written, want); diff != "" {
		t.Errorf("written (-), wanted (+):\n%s", diff)
	}
	var none fleet.Device
	if err := ReadDevice(fields, &none); err != nil || none.Later != nil {
		t.Errorf("got %q, %v of a record of this release", none.Later, err)
	}
}
