package fleet_test

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/muster-iot/muster/fleet"
)

func TestVersionIsANumberOrSemantic(t *testing.T) {
	for _, s := range []string{
		"0", "7", "10", "2147483647", "0.0.0", "1.4.0", "1.4.0-rc.1", "1.4.0-0", "1.4.0-alpha-2.x", "7.0.0", "2147483648.0.0",
		"99999999999999999999.0.0", "1.0.0-" + strings.Repeat("a", fleet.MaxVersion-6),
	} {
		v, err := fleet.ParseVersion(s)
		if err != nil {
			t.Errorf("%s: %v", s, err)
			continue
		}
		if v.String() != s || !v.Valid() || v.IsZero() {
			t.Errorf("%s: got %q, valid %v, zero %v", s, v, v.Valid(), v.IsZero())
		}
	}
}

func TestOtherVersionsAreRefused(t *testing.T) {
	for name, s := range map[string]string{
		"empty":                    "",
		"leading v":                "v1.4.0",
		"short form":               "1.4",
		"four numbers":             "1.4.0.0",
		"build metadata":           "1.4.0+5",
		"build metadata, a number": "7+5",
		"leading zero":             "007",
		"leading zero inside":      "1.04.0",
		"leading zero prerelease":  "1.4.0-01",
		"empty prerelease":         "1.4.0-",
		"empty prerelease part":    "1.4.0-rc..1",
		"negative":                 "-1",
		"sign":                     "+1",
		"number over 31 bits":      "2147483648",
		"number over 64 bits":      "18446744073709551616",
		"space before":             " 7",
		"space after":              "1.4.0 ",
		"line feed":                "7\n",
		"word":                     "latest",
		"underscore":               "1_0",
		"hexadecimal":              "0x7",
		"65 bytes":                 "1.0.0-" + strings.Repeat("a", fleet.MaxVersion-5),
		"not ASCII":                "1.4.0-ä",
	} {
		if v, err := fleet.ParseVersion(s); !errors.Is(err, fleet.Invalid) {
			t.Errorf("%s: %q: got %q, %v, want an error of kind %v", name, s, v, err, fleet.Invalid)
		}
	}
}

func TestARefusedVersionSaysHowToWriteIt(t *testing.T) {
	for s, want := range map[string]string{
		"v1.2.3": "write it as 1.2.3", "V7": "write it as 7", "1.2": "write it as 1.2.0", "01.2.3": "write it as 1.2.3", "007": "write it as 7",
		"1.2-rc.1": "write it as 1.2.0-rc.1", "1.4.0+5": "write it as 1.4.0", "00": "write it as 0",
		"1.2.3.4": "use a whole number such as 7", "latest": "use a whole number such as 7", "9999999999": "up to 2147483647", "v9999999999": "use a whole number such as 7",
	} {
		_, err := fleet.ParseVersion(s)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", s, err, want)
			continue
		}
		if _, meant, found := strings.Cut(err.Error(), "write it as "); found {
			if _, err := fleet.ParseVersion(meant); err != nil {
				t.Errorf("%q: the advice %q is refused: %v", s, meant, err)
			}
		}
	}
}

// Never as text: 10 is above 9, and semver precedence orders the rest (semver.org §11).
func TestVersionsAreOrderedByPrecedence(t *testing.T) {
	ascending := []string{
		"0", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2", "1.0.0-beta.11", "1.0.0-rc.1", "1.0.0",
		"1.2.0", "1.10.0", "2", "9", "9.0.1", "10.0.0-rc.1", "10", "10.0.1", "99", "100", "2147483647", "2147483648.0.0",
	}
	for i, a := range ascending {
		for j, b := range ascending {
			v, w := parse(t, a), parse(t, b)
			want := min(max(i-j, -1), 1)
			if got := v.Compare(w); got != want {
				t.Errorf("%s to %s: got %d, want %d", a, b, got, want)
			}
			if got := v.Equal(w); got != (i == j) {
				t.Errorf("%s equal to %s: got %v", a, b, got)
			}
		}
	}
}

func TestSpellingsOfOneVersionAreEqual(t *testing.T) {
	v, w := parse(t, "7"), parse(t, "7.0.0")
	if !v.Equal(w) || v.Compare(w) != 0 || v.Key() != w.Key() {
		t.Errorf("7 and 7.0.0: equal %v, compare %d, keys %q and %q", v.Equal(w), v.Compare(w), v.Key(), w.Key())
	}
	if v.String() != "7" || w.String() != "7.0.0" {
		t.Errorf("got %q and %q, want each as it was written", v, w)
	}
	if r := fleet.ReportedVersion("7.0.0"); !r.Equal(v) {
		t.Error("7.0.0 as reported by a device is not 7")
	}
	catalog := fleet.Catalog{Firmware: map[string]fleet.Firmware{v.Key(): {Version: v, Title: "seven"}}}
	if f, ok := catalog.Find(w); !ok || f.Title != "seven" {
		t.Errorf("7.0.0 in a catalog with 7: got %q, %v", f.Title, ok)
	}
}

func TestWholeNumbers(t *testing.T) {
	for _, row := range []struct {
		version string
		want    uint32
		ok      bool
	}{{"7", 7, true}, {"0", 0, true}, {"2147483647", 2147483647, true}, {"7.0.0", 0, false}, {"1.4.0", 0, false}} {
		if got, ok := parse(t, row.version).Whole(); got != row.want || ok != row.ok {
			t.Errorf("%s: got %d, %v, want %d, %v", row.version, got, ok, row.want, row.ok)
		}
	}
	if got := fleet.WholeVersion(7); got != parse(t, "7") {
		t.Errorf("got %q, want 7", got)
	}
	if n, ok := fleet.ReportedVersion("007").Whole(); ok {
		t.Errorf("an unreadable 007: got %d, want none", n)
	}
}

func TestUnreadableVersionEqualsNothing(t *testing.T) {
	for _, s := range []string{"build of tuesday", "007", "1.4.0+5", "v1.4.0", "\xff\xfe", strings.Repeat("1", 70)} {
		v := fleet.ReportedVersion(s)
		if v.Valid() || v.Key() != "" || v.IsZero() {
			t.Errorf("%q: got valid %v, key %q, zero %v", s, v.Valid(), v.Key(), v.IsZero())
		}
		if v.Equal(v) {
			t.Errorf("%q equals itself", s)
		}
		if got := v.Compare(parse(t, "0.0.0-0")); got != -1 {
			t.Errorf("%q to the lowest version: got %d, want -1", s, got)
		}
		if again := fleet.ReportedVersion(v.String()); again != v {
			t.Errorf("%q: got %q, read again %q", s, v, again)
		}
	}
	// Cut at 64 bytes it would be a version.
	if v := fleet.ReportedVersion("1.0.0-" + strings.Repeat("a", 80)); v.Valid() || len(v.String()) != fleet.MaxVersion {
		t.Errorf("got %q, valid %v, want an unreadable one of %d bytes", v, v.Valid(), fleet.MaxVersion)
	}
}

func TestNoVersionEqualsNothing(t *testing.T) {
	var none fleet.Version
	if !none.IsZero() || none.Valid() || none.Equal(none) || none.String() != "" || none.Key() != "" {
		t.Errorf("got zero %v, valid %v, equal %v, %q, %q", none.IsZero(), none.Valid(), none.Equal(none), none, none.Key())
	}
	if got := fleet.ReportedVersion(""); !got.IsZero() {
		t.Errorf("an empty report: got %q, want none", got)
	}
	catalog := fleet.Catalog{Firmware: map[string]fleet.Firmware{"": {Title: "stray"}}}
	if _, ok := catalog.Find(none); ok {
		t.Error("a catalog finds firmware of no version")
	}
}

// versions draws valid versions in few enough forms that equal ones come up.
var versions = rapid.Custom(func(t *rapid.T) fleet.Version {
	part := func(name string) string { return strconv.Itoa(rapid.IntRange(0, 12).Draw(t, name)) }
	s := part("major")
	if rapid.Bool().Draw(t, "semantic") {
		s += "." + part("minor") + "." + part("patch") + rapid.SampledFrom([]string{"", "", "-rc", "-rc.2", "-rc.10", "-1"}).Draw(t, "prerelease")
	}
	v, err := fleet.ParseVersion(s)
	if err != nil {
		t.Fatal(err)
	}
	return v
})

func TestPrecedenceIsATotalOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := versions.Draw(t, "a"), versions.Draw(t, "b"), versions.Draw(t, "c")
		if a.Compare(b) != -b.Compare(a) {
			t.Errorf("%s to %s is %d, and the other way %d", a, b, a.Compare(b), b.Compare(a))
		}
		if a.Compare(b) <= 0 && b.Compare(c) <= 0 && a.Compare(c) > 0 {
			t.Errorf("%s, %s, %s: not transitive", a, b, c)
		}
		if (a.Compare(b) == 0) != a.Equal(b) || a.Equal(b) != (a.Key() == b.Key()) {
			t.Errorf("%s and %s: compare %d, equal %v, keys %s and %s", a, b, a.Compare(b), a.Equal(b), a.Key(), b.Key())
		}
	})
}

func TestSortingIsThatOfNumbers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		numbers := rapid.SliceOf(rapid.Uint32Range(0, fleet.MaxWholeVersion)).Draw(t, "numbers")
		sorted := make([]fleet.Version, len(numbers))
		for i, n := range numbers {
			sorted[i] = fleet.WholeVersion(n)
		}
		slices.Sort(numbers)
		slices.SortFunc(sorted, fleet.Version.Compare)
		for i, n := range numbers {
			if got, _ := sorted[i].Whole(); got != n {
				t.Fatalf("place %d: got %d, want %d", i, got, n)
			}
		}
	})
}

func FuzzParseVersion(f *testing.F) {
	for _, s := range []string{"7", "1.4.0", "1.4.0-rc.1", "1.4.0+5", "007", "v1", "", "2147483648", "1.4", "build of tuesday", "\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		reported := fleet.ReportedVersion(s)
		if again := fleet.ReportedVersion(reported.String()); again != reported || len(reported.String()) > fleet.MaxVersion {
			t.Errorf("reported %q: got %q, read again %q", s, reported, again)
		}
		v, err := fleet.ParseVersion(s)
		if err != nil {
			if !errors.Is(err, fleet.Invalid) || reported.Valid() {
				t.Errorf("%q: got %v, and as a report valid: %v", s, err, reported.Valid())
			}
			return
		}
		if v.String() != s || v != reported || !v.Equal(v) {
			t.Errorf("%q: got %q, as a report %q", s, v, reported)
		}
		if key, err := fleet.ParseVersion(v.Key()); err != nil || !key.Equal(v) || key.Key() != v.Key() {
			t.Errorf("%q: its key %q is another version: %v", s, v.Key(), err)
		}
		if n, ok := v.Whole(); ok && fleet.WholeVersion(n) != v {
			t.Errorf("%q: got the whole number %d", s, n)
		}
	})
}

func parse(t testing.TB, s string) fleet.Version {
	t.Helper()
	v, err := fleet.ParseVersion(s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}
