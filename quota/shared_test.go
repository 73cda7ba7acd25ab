//nolint:forbidigo // all sleeps are in synctest bubbles
package quota

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/store/grant"
)

// places returns the four of team 7, of which the others use three. The next one is here from the given
// time on; an exchange takes 50 ms.
func places(t *testing.T, from time.Duration) *Places {
	t.Helper()
	p := newPlaces(Limit{Name: "connections", Unit: "connections", Most: 4}, 100, 1)
	began := time.Now()
	p.Shared(func() error {
		time.Sleep(50 * time.Millisecond)
		share := grant.Allowance{Elsewhere: 3}
		if time.Since(began) >= from {
			share.Bound = 1
		}
		p.Share(map[string]grant.Allowance{"connections:7": share})
		return nil
	})
	return p
}

// Others look once a second: a want that ends after one exchange is most likely not seen.
func TestAPlaceThatOthersKeepIsWantedUntilTheyHaveLooked(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := places(t, 1500*time.Millisecond)
		taken := make(chan error)
		go func() {
			_, err := p.Take(7, "device", nil)
			taken <- err
		}()
		time.Sleep(time.Second)
		want := grant.Need{Most: 4, Wants: 1, Stays: true}
		if got := p.Share(nil)["connections:7"]; got != want {
			t.Errorf("while the device waits: got %+v, want %+v", got, want)
		}
		if err := <-taken; err != nil {
			t.Fatalf("the place is here: %v", err)
		}
		want = grant.Need{Most: 4, Held: 1, Wants: 1, Stays: true}
		if got := p.Share(nil)["connections:7"]; got != want {
			t.Errorf("the device has its place: got %+v, want %+v", got, want)
		}
	})
}

func TestAPlaceThatOthersDoNotGiveUpIsWantedForSecondsOnly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := places(t, time.Hour)
		began := time.Now()
		if _, err := p.Take(7, "device", nil); !errors.Is(err, fleet.Busy) || time.Since(began).Round(time.Second) != patience {
			t.Errorf("got %v after %v, want busy after %v", err, time.Since(began), patience)
		}
		if got := p.Share(nil); len(got) != 0 || len(p.shared.bounds)+len(p.shared.elsewhere)+len(p.shared.asking) != 0 {
			t.Errorf("%v is wanted, for nobody", got)
		}
	})
}

func TestNoMoreWaitForAPlaceThanThereCanBe(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := places(t, time.Hour)
		go func() { _, _ = p.Take(7, "first", nil) }()
		time.Sleep(time.Second)
		began := time.Now()
		if _, err := p.Take(7, "second", nil); !errors.Is(err, fleet.Busy) || !time.Now().Equal(began) {
			t.Errorf("got %v after %v, want busy at once: one place is left, and one waits for it", err, time.Since(began))
		}
		time.Sleep(patience)
	})
}

func TestNobodyWaitsForAPlaceWithoutRedis(t *testing.T) {
	t.Parallel()
	p := newPlaces(Limit{Name: "connections", Unit: "connections", Most: 4}, 100, 1)
	asked := 0
	p.Shared(func() error { asked++; return errors.New("redis is away") })
	if _, err := p.Take(7, "device", nil); !errors.Is(err, fleet.Busy) || asked != 1 || len(p.shared.asking) != 0 {
		t.Errorf("got %v after asking %d times, want busy after once", err, asked)
	}
}
