package registry

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"

	"github.com/muster-iot/muster/fleet"
)

// crashing passes on some writes, then calls crashed and fails all that follow.
type crashing struct {
	records
	left    chan struct{} // one for each write that is still passed on
	crashed func()
}

func (c crashing) Edit(ctx context.Context, id fleet.DeviceID, change func(*fleet.Device) error) (fleet.Device, error) {
	select {
	case <-c.left:
		return c.records.Edit(ctx, id, change)
	default:
		c.crashed()
		return fleet.Device{}, fleet.Errorf(fleet.Unavailable, "the server was killed")
	}
}

// TestABatchThatSteersDevicesIsFinishedAfterACrash cuts each kind of batch off after one
// device and starts again.
func TestABatchThatSteersDevicesIsFinishedAfterACrash(t *testing.T) {
	t.Parallel()
	one, none := version("1"), fleet.Version{}
	for name, row := range map[string]struct {
		edit fleet.DevicesEdit
		done func(fleet.Device) bool
	}{
		"lock":   {fleet.DevicesEdit{Lock: &one, Flash: true}, func(d fleet.Device) bool { return d.Lock.Equal(one) && !d.Development }},
		"unlock": {fleet.DevicesEdit{Lock: &none}, func(d fleet.Device) bool { return d.Lock.IsZero() }},
		"mark":   {fleet.DevicesEdit{Development: ptr(true)}, func(d fleet.Device) bool { return d.Development }},
		"unmark": {fleet.DevicesEdit{Development: ptr(false)}, func(d fleet.Device) bool { return !d.Development }},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			ids := []fleet.DeviceID{"free", "in-a", "in-b", "in-ab"}
			for _, id := range ids {
				w.change(id, func(d *fleet.Device) {
					if name == "unlock" {
						d.Lock = version("2")
					}
					d.Development = name == "unmark"
				})
			}
			left := make(chan struct{}, 1)
			left <- struct{}{}
			var journal map[string]string // at the moment of the crash
			read := sync.OnceFunc(func() { journal = w.unfinished() })
			w.devices = crashing{w.store.Devices, left, read}
			row.edit.Product, row.edit.Devices = 1, ids
			if err := w.EditDevices(t.Context(), actor(fleet.Owner), row.edit); err == nil {
				t.Fatal("the crash was not noticed")
			}
			if n := count(w, ids, row.done); n == len(ids) {
				t.Fatal("nothing was cut off")
			}
			w.remove("in-ab") // by hand, say
			w.devices = w.store.Devices
			w.journal(slices.Collect(maps.Values(journal))...)
			if err := w.Resume(t.Context()); err != nil {
				t.Fatal(err)
			}
			if n := count(w, ids, row.done); n != 3 {
				t.Errorf("%d of 3 devices are done", n)
			}
			if left := w.unfinished(); len(left) != 0 || len(journal) == 0 {
				t.Errorf("in the journal at the crash: %v, after it was resumed: %v", journal, left)
			}
			if n := len(w.log()); n < 3 || n > 4 { // the deleted one may have been the first
				t.Errorf("%d audit entries, want one for each device that was changed", n)
			}
			for _, e := range w.log() {
				if e.Action != "device.update" || e.Email != "me@example.com" {
					t.Errorf("audit: got %+v", e)
				}
			}
		})
	}
}

func count(w *world, ids []fleet.DeviceID, is func(fleet.Device) bool) (n int) {
	for _, id := range ids {
		if w.exists(id) && is(w.device(id)) {
			n++
		}
	}
	return n
}

func TestAResumedLockTouchesNoDeviceThatMoved(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	text := "1"
	record, err := json.Marshal(batch{Team: 1, Product: 1, Email: "ann@example.com", Devices: []fleet.DeviceID{"free", "2/far"}, Lock: &text})
	if err != nil {
		t.Fatal(err)
	}
	w.journal(string(record))
	far := fmt.Sprint(w.device("2/far"))
	if err := w.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := w.device("free").Lock; !got.Equal(version("1")) {
		t.Errorf("got lock %s, want 1", got)
	}
	if fmt.Sprint(w.device("2/far")) != far {
		t.Error("a device of another team was changed")
	}
}

func TestABatchThatSteersLeavesTheJournalWhenItsOutcomeIsKnown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, devices := range [][]fleet.DeviceID{{"free"}, {"nobody"}} {
		_ = w.EditDevices(t.Context(), actor(fleet.Admin), fleet.DevicesEdit{Product: 1, Devices: devices, Development: ptr(true)})
		if left := w.unfinished(); len(left) != 0 {
			t.Errorf("%v: still in the journal: %v", devices, left)
		}
	}
}
