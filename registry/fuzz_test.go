package registry

import (
	"errors"
	"strings"
	"testing"

	"github.com/muster-iot/muster/fleet"
)

// FuzzSecrets throws what may stand in a header or a body at who reads secrets.
func FuzzSecrets(f *testing.F) {
	for _, seed := range []string{"mst_0123456789ab_" + strings.Repeat("A", 43), "mst_", "msi_1_ab_x", "msi_99999999999_", "msi_1_", "\xff", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, secret string) {
		w := &world{tokens: map[string]fleet.Token{}, invited: map[string]fleet.Invitation{}}
		r := &Registry{teams: teamsFake{w}, proofs: newLimiter()}
		if _, err := r.Actor(t.Context(), secret); !errors.Is(err, fleet.Unauthenticated) {
			t.Fatalf("%q as a token: got %v", secret, err)
		}
		if _, _, err := r.Accept(t.Context(), fleet.Acceptance{Secret: secret}); !errors.Is(err, fleet.Unauthenticated) {
			t.Fatalf("%q as an invitation: got %v", secret, err)
		}
	})
}

func FuzzEmail(f *testing.F) {
	for _, seed := range []string{"me@example.com", " A@B ", "@", "a@b/c", "\xff@x", "ci@programs"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		email, err := parseEmail(text)
		if err != nil {
			if !errors.Is(err, fleet.Invalid) {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		if again, err := parseEmail(email); err != nil || again != email {
			t.Fatalf("%q became %q became %q, %v", text, email, again, err)
		}
	})
}
