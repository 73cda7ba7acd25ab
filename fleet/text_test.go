package fleet_test

import (
	"errors"
	"testing"

	"github.com/muster-iot/muster/fleet"
)

func TestTextsKeepTheirOrder(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		ok   bool
	}{
		"plain":             {"Room 12a", true},
		"right to left":     {"غرفة ١٢ \u200f(أ)", true},
		"an override":       {"abc\u202efed", false},
		"an isolate":        {"abc\u2066fed", false},
		"an embedding":      {"\u202aabc", false},
		"a control":         {"a\x07b", false},
		"line ends and tab": {"a\n\tb\r\n", true},
	} {
		if err := fleet.CheckText("notes", c.text, fleet.MaxNotes); (err == nil) != c.ok || err != nil && !errors.Is(err, fleet.Invalid) {
			t.Errorf("%s: got %v, want accepted %t", name, err, c.ok)
		}
	}
}

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
