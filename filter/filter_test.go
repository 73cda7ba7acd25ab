package filter

import (
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/muster-iot/muster/fleet"
)

// What a filter asks for survives as the query of an address.
func TestAQueryReadsBackAsItsFilter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var f Fields
		text := rapid.StringMatching(`[a-z0-9=&?+%#"é-]{1,12}`)
		for _, field := range f.names() {
			if rapid.Bool().Draw(t, "set") {
				*field = text.Draw(t, "value")
			}
		}
		f.Groups = rapid.SliceOfNDistinct(text, 0, 3, rapid.ID).Draw(t, "groups")
		if len(f.Groups) == 0 {
			f.Groups = nil
		}
		got, err := Parse(f.String())
		if err != nil || got.String() != f.String() {
			t.Fatalf("%q became %q, %v", f.String(), got.String(), err)
		}
	})
}

func TestAQueryWithAnUnknownFieldIsRefused(t *testing.T) {
	for _, query := range []string{"groups=beta", "online=yes&sort=name", "%zz", "a;b=c"} {
		if _, err := Parse(query); !errors.Is(err, fleet.Invalid) {
			t.Errorf("%s: got %v", query, err)
		}
	}
}

// A filter with a value that can't be read never selects more devices than was meant: it selects none.
func TestAValueThatCantBeReadIsRefused(t *testing.T) {
	for _, row := range []struct {
		query, field string
		product      fleet.ProductID
	}{
		{"online=ys", "online", 1}, {"online=YES", "online", 0}, {"development=1", "development", 1}, {"locked=true", "locked", 1},
		{"nogroup=on", "nogroup", 1}, {"version=.", "version", 1}, {"to=.", "version", 1}, {"fact=x", "fact", 1},
		{"silent=0", "silent", 1}, {"silent=-1", "silent", 1}, {"silent=70000", "silent", 1}, {"kind=Lamp", "kind", 1},
		{"update=bad", "update", 1}, {"concern=hunger", "concern", 1}, {"release=two", "release", 1}, {"reason=x", "reason", 1},
		{"part=reached", "part", 1}, {"cause=offline", "cause", 1}, {"target=2", "target", 1},
		{"concern=exhausted", "concern", 0}, {"left=any", "left", 0}, {"release=1", "release", 0}, {"reason=3", "reason", 0},
	} {
		f, err := Parse(row.query)
		if err != nil {
			t.Fatal(err)
		}
		_, err = New(Config{}).Query(t.Context(), fleet.Actor{Team: 1, Role: fleet.Owner}, row.product, f)
		if !errors.Is(err, fleet.Invalid) || !strings.Contains(err.Error(), row.field) {
			t.Errorf("%s of product %d: got %v", row.query, row.product, err)
		}
	}
}

func TestYesAndNoAreChoices(t *testing.T) {
	f, err := Parse("?online=no&development=yes&nogroup=no&silent=3&q=hall")
	if err != nil {
		t.Fatal(err)
	}
	q, err := New(Config{}).Query(t.Context(), fleet.Actor{Team: 1, Role: fleet.Owner}, 0, f)
	if err != nil || *q.Online || !*q.Development || q.Locked != nil || q.NoGroup || q.Silent.IsZero() || q.Text != "hall" {
		t.Errorf("got %+v, %v", q, err)
	}
}

func TestAFilterOfAllProductsAsksNothingAboutTargets(t *testing.T) {
	f, err := Parse("concern=exhausted&left=any&target=2&release=1&part=x&cause=y&reason=3&online=yes")
	if err != nil {
		t.Fatal(err)
	}
	if got := f.OfAllProducts().String(); got != "online=yes" {
		t.Errorf("got %s", got)
	}
}
