package quota

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/store/grant"
)

// Others look once a second, and may look when the device that was refused is away.
func TestAPlaceThatOthersKeepIsWantedUntilTheDeviceComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlaces(Limit{Name: "connections", Unit: "connections", Most: 4}, 100, 1)
		asked := 0
		p.Shared(func() { asked++ })
		if _, err := p.Take(7, "device", nil); !errors.Is(err, fleet.Busy) || asked != 1 {
			t.Fatalf("got %v after %d exchanges, want busy after one: others keep the place", err, asked)
		}
		want := grant.Need{Most: 4, Wants: 1, Stays: true}
		if got := p.Share(nil)["connections:7"]; got != want {
			t.Errorf("the device was refused: got %+v, want %+v", got, want)
		}
		time.Sleep(remembered - time.Second) //nolint:forbidigo // in a bubble
		p.Share(map[string]grant.Allowance{"connections:7": {Bound: 1, Elsewhere: 3}})
		place, err := p.Take(7, "device", nil)
		if err != nil {
			t.Fatalf("it is back: %v", err)
		}
		place.Leave()
		time.Sleep(2 * time.Second) //nolint:forbidigo // in a bubble
		if got := p.Share(nil); len(got) != 0 || len(p.shared.short)+len(p.shared.bounds)+len(p.shared.asking) != 0 {
			t.Errorf("%v is wanted for a device that does not come", got)
		}
	})
}
