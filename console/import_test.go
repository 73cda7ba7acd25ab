package console

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/muster-iot/muster/fleet"
)

func TestImportTakesOneIDALineAndNothingWithABadLine(t *testing.T) {
	for name, c := range map[string]struct {
		text, want string
		imported   []fleet.DeviceID
	}{
		"one a line":     {"a\r\nb\n\n  c  \n", "", []fleet.DeviceID{"a", "b", "c"}},
		"with commas":    {"a,b, c\nd,", "", []fleet.DeviceID{"a", "b", "c", "d"}},
		"a space inside": {"good-1\nbad id\ngood-2", "Line 2, “bad id”: a device id is", nil},
		"a bad letter":   {"a,ä", "Line 1, “ä”", nil},
		"many bad":       {strings.Repeat("no good\n", maxNamedLines+2), "and 2 more: a device id is", nil},
		"nothing":        {" \n,", "Enter at least one device id", nil},
	} {
		t.Run(name, func(t *testing.T) {
			w := withLamp(t)
			answer := w.send(http.MethodPost, "/p/lamp/devices/import", url.Values{"ids": {c.text}}, w.signed, header("HX-Request", "true"))
			if text := body(t, answer); !strings.Contains(text, c.want) || c.want != "" && answer.StatusCode != http.StatusUnprocessableEntity {
				t.Errorf("got %d: %s", answer.StatusCode, text)
			}
			var imported []fleet.DeviceID
			found := must[fleet.DeviceViews](t)(w.registry.Devices(t.Context(), owner, fleet.DeviceQuery{Actor: owner, Product: 1, Limit: 100}))
			for _, d := range found.Devices {
				imported = append(imported, d.ID)
			}
			if !slices.Equal(imported, c.imported) {
				t.Errorf("imported %q, want %q", imported, c.imported)
			}
		})
	}
}
