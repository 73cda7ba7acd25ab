package ota

import (
	"sync"
	"testing"

	"github.com/muster-iot/muster/fleet"
)

func TestThatAVersionRanIsRecordedOnce(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		device   fleet.Device
		recorded bool
	}{
		"it runs it":                   {fleet.Device{Product: product, Running: v("1")}, true},
		"it runs other bytes":          {fleet.Device{Product: product, Running: v("1"), Differs: true}, false},
		"it runs what is not uploaded": {fleet.Device{Product: product, Running: v("2")}, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, Config{})
			w.AddFirmware("1", 100)
			first := w.Catalog()
			var fleetAtOnce sync.WaitGroup
			for range 50 {
				fleetAtOnce.Go(func() {
					if err := w.Ran(t.Context(), &row.device, first); err != nil {
						t.Error(err)
					}
				})
			}
			fleetAtOnce.Wait()
			now := w.Catalog()
			if got := !now.Firmware[v("1").Key()].Ran.IsZero(); got != row.recorded {
				t.Errorf("recorded: %t, want %t", got, row.recorded)
			}
			if written := now.Revision - first.Revision; row.recorded && written != 1 {
				t.Errorf("written %d times, want once", written)
			}
			if err := w.Ran(t.Context(), &row.device, now); err != nil || w.Catalog().Revision != now.Revision {
				t.Errorf("a later handshake: %v, written again: %t", err, w.Catalog().Revision != now.Revision)
			}
		})
	}
}
