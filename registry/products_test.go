package registry

import (
	"strings"
	"testing"

	"github.com/muster-iot/muster/fleet"
)

func TestSlugs(t *testing.T) {
	for name, want := range map[string]string{
		"Smart Lamp": "smart-lamp", "  Ünï 2 ": "uni-2", "A/B--C": "a-b-c", "": "", "--": "", "lamp_2.0": "lamp-2-0",
		"Straße": "strasse", "Лампа": "lampa", "灯": "deng", strings.Repeat("a", fleet.MaxSlug-1) + " b": strings.Repeat("a", fleet.MaxSlug-1),
	} {
		if got := slugOf(name); got != want {
			t.Errorf("%q: got %q, want %q", name, got, want)
		}
	}
}
