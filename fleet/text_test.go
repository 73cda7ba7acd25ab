package fleet_test

import (
	"errors"
	"testing"

	"github.com/muster-iot/muster/fleet"
)

func FuzzEmail(f *testing.F) {
	for _, seed := range []string{"me@example.com", " A@B ", "@", "a@b/c", "\xff@x", "ci@programs"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		email, err := fleet.ParseEmail(text)
		if err != nil {
			if !errors.Is(err, fleet.Invalid) {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		if again, err := fleet.ParseEmail(email); err != nil || again != email {
			t.Fatalf("%q became %q became %q, %v", text, email, again, err)
		}
	})
}
