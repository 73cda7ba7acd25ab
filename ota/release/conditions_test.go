package release

import (
	"bytes"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/ota/precedence"
)

func TestFloorIsTheCounterThatTheImageStates(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name  string
		image []byte
		floor uint32
		want  uint32
		err   error
	}{
		{"stated", madeBy(t, "mcuboot.bin"), 0, 5, nil},
		{"the same", madeBy(t, "mcuboot.bin"), 5, 5, nil},
		{"another", madeBy(t, "mcuboot.bin"), 6, 0, fleet.Invalid},
		{"none is stated", []byte("image"), 6, 6, nil},
		{"none at all", []byte("image"), 0, 0, nil},
	} {
		w := empty(t)
		order := fleet.Firmware{Product: product, Version: v("1.4.2"), Floor: row.floor}
		f, err := w.Upload(t.Context(), admin, order, bytes.NewReader(row.image))
		if !errors.Is(err, row.err) || f.Floor != row.want {
			t.Errorf("%s: got floor %d, %v, want %d, %v", row.name, f.Floor, err, row.want, row.err)
		}
	}
}

func TestHardwareRevisionsAreThoseADeviceCanReport(t *testing.T) {
	t.Parallel()
	for _, revisions := range [][]string{{""}, {"a,b"}, {"a\nb"}, {strings.Repeat("x", 65)}, {"\xff"}, slices.Repeat([]string{"a"}, MaxHardware+1)} {
		w := empty(t)
		order := fleet.Firmware{Product: product, Version: v("4"), Hardware: revisions}
		if _, err := w.Upload(t.Context(), admin, order, strings.NewReader("image")); !errors.Is(err, fleet.Invalid) {
			t.Errorf("%.80q: got %v, want an error of kind %v", revisions, err, fleet.Invalid)
		}
	}
}

// TestImpactCountsDevicesThatCantTakeIt: each for one reason, the same one that why gives.
func TestImpactCountsDevicesThatCantTakeIt(t *testing.T) {
	t.Parallel()
	w := empty(t)
	w.AddFirmware("1", 1000)
	w.EditCatalog(func(c *fleet.Catalog) { // no way from below
		f := c.Firmware[v("1").Key()]
		f.Requires.From = v("1")
		c.Firmware[f.Version.Key()] = f
	})
	requires, err := fleet.ParseRange(">=1 <3")
	if err != nil {
		t.Fatal(err)
	}
	hardware := []string{"rev-b", "rev-c"}
	order := fleet.Firmware{Product: product, Version: v("2"), Hardware: hardware, Requires: requires}
	if _, err := w.Upload(t.Context(), admin, order, strings.NewReader("image")); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Upload(t.Context(), admin, fleet.Firmware{Product: product, Version: v("3"), Floor: 4}, strings.NewReader("image")); err != nil {
		t.Fatal(err)
	}
	rev := func(revision string) func(*fleet.Device) { return func(d *fleet.Device) { d.Hardware = revision } }
	rules := map[fleet.DeviceID]precedence.Rule{"old": precedence.RuleRequires, "plain": precedence.RuleHardware, "a": precedence.RuleHardware, "new": precedence.RuleFloor, "b": "", "c": ""}
	w.Device("b", "1", rev("rev-b"))
	w.Device("c", "1", rev("rev-c"))
	w.Device("a", "1", rev("rev-a"))
	w.Device("plain", "1")
	w.Device("old", "0.9.0", rev("rev-b"))
	w.Device("new", "3", rev("rev-b"))

	impact, err := w.Impact(t.Context(), admin, product, fleet.ReleaseOrder{Version: v("2")})
	want := []fleet.ReasonCount{{Reason: "below_floor", Devices: 1}, {Reason: "no_way", Devices: 1}, {Reason: "wrong_hardware", Devices: 2}}
	if err != nil || impact.Total != 6 || !reflect.DeepEqual(impact.Blocked, want) {
		t.Errorf("got %+v, %v, want blocked %+v", impact, err, want)
	}
	if _, err := w.Release(t.Context(), admin, product, fleet.ReleaseOrder{Version: v("2")}); err != nil {
		t.Fatal(err)
	}
	for id, rule := range rules {
		trace, err := w.Why(t.Context(), admin, id)
		if err != nil {
			t.Fatal(err)
		}
		held := slices.IndexFunc(trace.Steps, func(s precedence.Step) bool { return s.Outcome == precedence.HoldsBack })
		if rule == "" && held >= 0 || rule != "" && (held < 0 || trace.Steps[held].Rule != rule) {
			t.Errorf("%s: held by step %d of %v, want %q", id, held, trace.Steps, rule)
		}
	}

	none := []string{}
	if f, err := w.EditFirmware(t.Context(), admin, product, v("2"), fleet.FirmwareEdit{Hardware: &none, Requires: new(fleet.Range{})}); err != nil || len(f.Hardware) > 0 || !f.Requires.IsAll() {
		t.Errorf("edited: got %+v, %v", f, err)
	}
	if impact, err = w.Preview(t.Context(), admin, product, []fleet.DeviceID{"a", "old"}, func(e *fleet.IndexEntry) { e.Lock = v("2") }); err != nil || len(impact.Blocked) > 0 {
		t.Errorf("after the edit: got %+v, %v", impact, err)
	}
}
