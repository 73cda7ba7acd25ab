package accounts

import (
	"errors"
	"strings"
	"testing"

	"github.com/muster-iot/muster/fleet"
)

// FuzzSecrets sends what a header or a body can hold to the readers of secrets.
func FuzzSecrets(f *testing.F) {
	for _, seed := range []string{"mst_0123456789ab_" + strings.Repeat("A", 43), "mst_", "msi_1_ab_x", "msi_99999999999_", "msi_1_", "\xff", ""} {
		f.Add(seed)
	}
	w := settled(f)
	f.Fuzz(func(t *testing.T, secret string) {
		w.proofs = newProofs()
		if _, err := w.Actor(t.Context(), secret); !errors.Is(err, fleet.Unauthenticated) {
			t.Fatalf("%q as a token: got %v", secret, err)
		}
		if _, _, err := w.Accept(t.Context(), fleet.Acceptance{Secret: secret}); !errors.Is(err, fleet.Unauthenticated) {
			t.Fatalf("%q as an invitation: got %v", secret, err)
		}
	})
}
