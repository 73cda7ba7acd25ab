package console

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/muster-iot/muster/fleet"
)

// intakes is a registry that takes every import.
type intakes struct {
	broken
	taken []string
}

func (r *intakes) Product(context.Context, fleet.Actor, string) (fleet.Product, error) {
	return fleet.Product{ID: 1, Team: 1, Name: "Lamp", Slug: "lamp"}, nil
}

func (r *intakes) Import(_ context.Context, _ fleet.Actor, order fleet.Import) (fleet.Imported, error) {
	r.taken = append(r.taken, order.IDs...)
	return fleet.Imported{}, nil
}

func TestImportTakesOneIDALineAndNothingWithABadLine(t *testing.T) {
	for name, c := range map[string]struct {
		text, says string
		want       []string
	}{
		"one a line":     {"a\r\nb\n\n  c  \n", "", []string{"a", "b", "c"}},
		"with commas":    {"a,b, c\nd,", "", []string{"a", "b", "c", "d"}},
		"a space inside": {"good-1\nbad id\ngood-2", "Line 2, “bad id”: a device id is", nil},
		"a bad letter":   {"a,ä", "Line 1, “ä”", nil},
		"many bad":       {strings.Repeat("no good\n", maxNamedLines+2), "and 2 more: a device id is", nil},
		"nothing":        {" \n,", "Write at least one device id", nil},
	} {
		t.Run(name, func(t *testing.T) {
			r := &intakes{}
			v := visitTo(t, r, "/p/lamp/devices/import")
			answer := sendTo(t, v.Console, http.MethodPost, "/p/lamp/devices/import", url.Values{"ids": {c.text}}, session, header("HX-Request", "true"))
			if text := body(t, answer); !strings.Contains(text, c.says) || c.says != "" && answer.StatusCode != http.StatusUnprocessableEntity {
				t.Errorf("got %d: %s", answer.StatusCode, text)
			}
			if !slices.Equal(r.taken, c.want) {
				t.Errorf("imported %q, want %q", r.taken, c.want)
			}
		})
	}
}
