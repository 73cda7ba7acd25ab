package fleet_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/muster-iot/muster/fleet"
)

func TestNamesKeepToTheirAlphabet(t *testing.T) {
	device := func(s string) error { _, err := fleet.ParseDeviceID(s); return err }
	group := func(s string) error { _, err := fleet.ParseGroupName(s); return err }
	slug := func(s string) error { _, err := fleet.ParseSlug(s); return err }
	for _, row := range []struct {
		name  string
		parse func(string) error
		s     string
		ok    bool
	}{
		{"device: an IMEI", device, "nrf-352656100158792", true},
		{"device: a MAC address", device, "C0:FF:EE:00:00:01", true},
		{"device: underscore", device, "a_b", true},
		{"device: one byte", device, "7", true},
		{"device: 128 bytes", device, strings.Repeat("a", 128), true},
		{"device: 129 bytes", device, strings.Repeat("a", 129), false},
		{"device: empty", device, "", false},
		{"device: dot", device, "a.b", false},
		{"device: slash", device, "a/b", false},
		{"device: plus", device, "+", false},
		{"device: hash", device, "#", false},
		{"device: dollar", device, "$SYS", false},
		{"device: space", device, "a b", false},
		{"device: NUL", device, "a\x00", false},
		{"device: not ASCII", device, "gerät", false},
		{"device: braces, which Redis would read", device, "{a}", false},
		{"device: a word of the REST API", device, "events", false},
		{"device: another word of the REST API", device, "tags", false},
		{"device: begins like such a word", device, "events1", true},
		{"group: a word", group, "prerelease", true},
		{"group: all signs", group, "A-z_0.9@x:y#z", true},
		{"group: 64 bytes", group, strings.Repeat("g", 64), true},
		{"group: 65 bytes", group, strings.Repeat("g", 65), false},
		{"group: empty", group, "", false},
		{"group: white space", group, "my group", false},
		{"group: tab", group, "a\tb", false},
		{"group: slash", group, "a/b", false},
		{"group: comma", group, "a,b", false},
		{"group: letters of any script", group, "Größe", true},
		{"group: marks of a script", group, "हिन्दी-１", true},
		{"group: 64 characters of two bytes", group, strings.Repeat("ö", 64), true},
		{"group: 65 characters", group, strings.Repeat("ö", 65), false},
		{"group: an override", group, "be\u202eta", false},
		{"group: a no-break space", group, "a\u00a0b", false},
		{"group: not UTF-8", group, "a\xff", false},
		{"group: a symbol", group, "a€", false},
		{"slug: a word", slug, "thermostat-2", true},
		{"slug: 64 bytes", slug, strings.Repeat("s", 64), true},
		{"slug: 65 bytes", slug, strings.Repeat("s", 65), false},
		{"slug: empty", slug, "", false},
		{"slug: digits only, which is a product id", slug, "42", false},
		{"slug: digits and hyphen", slug, "4-2", false},
		{"slug: capital", slug, "Thermostat", false},
		{"slug: underscore", slug, "a_b", false},
	} {
		err := row.parse(row.s)
		if row.ok && err != nil || !row.ok && !errors.Is(err, fleet.Invalid) {
			t.Errorf("%s: %q: got %v, want accepted %v", row.name, row.s, err, row.ok)
		}
	}
}

func TestGroupNamesDifferByMoreThanCase(t *testing.T) {
	for _, same := range [][2]string{{"EU", "eu"}, {"Größe", "gRÖSSE"}, {"Größe", "Gro\u0308ße"}, {"ΣΑΣ", "σας"}} {
		if a, b := fleet.GroupKey(same[0]), fleet.GroupKey(same[1]); a != b {
			t.Errorf("%q and %q: got keys %q and %q", same[0], same[1], a, b)
		}
	}
	for _, other := range [][2]string{{"eu", "us"}, {"a-b", "a_b"}, {"o", "ö"}} {
		if fleet.GroupKey(other[0]) == fleet.GroupKey(other[1]) {
			t.Errorf("%q and %q have one key", other[0], other[1])
		}
	}
	groups := []fleet.Group{{ID: 1, Name: "eu"}, {ID: 2, Name: "EU"}, {ID: 3, Name: "Beta"}} // the first two are from before
	for name, want := range map[string]fleet.GroupID{"eu": 1, "EU": 2, "beta": 3, "BETA": 3, "none": 0} {
		if got, _ := fleet.NewGroupsByName(groups).Find(name); got.ID != want {
			t.Errorf("%s: got group %d, want %d", name, got.ID, want)
		}
	}
}

func TestUpdateIDsAreRandomAndWrittenInHexadecimal(t *testing.T) {
	id := fleet.NewUpdateID()
	if id == (fleet.UpdateID{}) || id == fleet.NewUpdateID() {
		t.Fatalf("got %v, want a fresh random id", id)
	}
	if got, want := (fleet.UpdateID{0x01, 0xab, 15: 0xff}).String(), "01ab"+strings.Repeat("00", 13)+"ff"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestADigestBeginsWithItsImage(t *testing.T) {
	d := fleet.Digest{0x01, 0x23, 7: 0xef, 8: 0x45, 31: 0xff}
	if got, want := d.String(), "01230000000000ef45"+strings.Repeat("00", 22)+"ff"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := d.Image().String(), d.String()[:16]; got != want {
		t.Errorf("image: got %s, want %s", got, want)
	}
}

func TestNumbersAreTexts(t *testing.T) {
	if got := fleet.TeamID(7).String() + fleet.UserID(8).String() + fleet.ProductID(9).String() + fleet.GroupID(1).String(); got != "7891" {
		t.Errorf("got %s", got)
	}
}

func TestGroupsAreSortedAndUnique(t *testing.T) {
	if got := fleet.SortGroups([]fleet.GroupID{3, 1, 3, 2, 1}); !slices.Equal(got, []fleet.GroupID{1, 2, 3}) {
		t.Errorf("got %v", got)
	}
	if got := fleet.SortGroups([]fleet.GroupID{}); got != nil {
		t.Errorf("no groups: got %v, want nil", got)
	}
}

func TestWordsAreReadBack(t *testing.T) {
	for r := fleet.Viewer; r <= fleet.Owner; r++ {
		if got, err := fleet.ParseRole(r.String()); err != nil || got != r {
			t.Errorf("role %v: got %v, %v", r, got, err)
		}
	}
	for s := fleet.Offered; s <= fleet.Stopped; s++ {
		if got, err := fleet.ParseUpdateState(s.String()); err != nil || got != s {
			t.Errorf("state %v: got %v, %v", s, got, err)
		}
		if s.Over() == s.Running() {
			t.Errorf("state %v: over %v, running %v", s, s.Over(), s.Running())
		}
	}
	if fleet.NoUpdate.Over() || fleet.NoUpdate.Running() {
		t.Error("no update is over or running")
	}
	for _, s := range []string{"", "Owner", "root"} {
		if _, err := fleet.ParseRole(s); !errors.Is(err, fleet.Invalid) {
			t.Errorf("role %q: got %v", s, err)
		}
		if _, err := fleet.ParseUpdateState(s); !errors.Is(err, fleet.Invalid) {
			t.Errorf("state %q: got %v", s, err)
		}
	}
	if got := fleet.Generic.String() + fleet.Gateway.String() + fleet.BLE.String(); got != "GenericGatewayBLE" {
		t.Errorf("got %s", got)
	}
}

func FuzzParseDeviceID(f *testing.F) {
	for _, s := range []string{"nrf-352656100158792", "C0:FF:EE:00:00:01", "", "events", "a/b", "+", "#", "\xff", strings.Repeat("a", 129)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		id, err := fleet.ParseDeviceID(s)
		if err != nil {
			if !errors.Is(err, fleet.Invalid) || id != "" {
				t.Errorf("%q: got %q, %v", s, id, err)
			}
			return
		}
		if string(id) != s || len(s) > fleet.MaxDeviceID || strings.ContainsAny(s, "/+#$ {}.%?&\"'\x00\r\n") {
			t.Errorf("%q was accepted as %q", s, id)
		}
	})
}

func FuzzParseGroupName(f *testing.F) {
	for _, s := range []string{"prerelease", "eu", "a.b@c:d#e-f", "", "a b", "a,b", "\u00a0", strings.Repeat("g", 65)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		name, err := fleet.ParseGroupName(s)
		if err != nil {
			if !errors.Is(err, fleet.Invalid) || name != "" {
				t.Errorf("%q: got %q, %v", s, name, err)
			}
			return
		}
		if name != s || utf8.RuneCountInString(s) > fleet.MaxGroupName || len(strings.Fields(s)) != 1 || strings.Fields(s)[0] != s {
			t.Errorf("%q was accepted as %q", s, name)
		}
	})
}

func TestADeviceIDHasItsTeamInsideAndShowsTheIDAlone(t *testing.T) {
	for _, row := range []struct {
		name string
		id   fleet.DeviceID
		want string // what a map is keyed by
	}{
		{"an id", fleet.DeviceID("a").In(7), "7/a"},
		{"in the same team again", fleet.DeviceID("a").In(7).In(7), "7/a"},
		{"in another team", fleet.DeviceID("a").In(7).In(8), "8/a"},
		{"of no team", fleet.DeviceID("a").In(7).In(0), "a"},
		{"none", fleet.DeviceID("").In(7), ""},
		{"named", fleet.DeviceNamed("a").In(7), "7/a"},
	} {
		if string(row.id) != row.want || strings.ContainsAny(row.id.String(), "/") {
			t.Errorf("%s: got %q, shown as %s, want %q", row.name, string(row.id), row.id, row.want)
		}
	}
	for _, text := range []string{"7/a", "8/a", "x/a", "/a", "a/"} { // what people write has no team in it
		if id := fleet.DeviceNamed(text).In(7); strings.HasSuffix(string(id), "/a") || id == "7/" {
			t.Errorf("%s names %q", text, string(id))
		}
	}
	data, err := json.Marshal([]fleet.DeviceID{"7/a"})
	if got := fmt.Sprintf("%s %v %q %+v", fleet.DeviceID("a").In(7), fleet.DeviceID("a").In(7), fleet.DeviceID("a").In(7), []fleet.DeviceID{"7/a"}) + string(data); err != nil || got != `a a "a" [a]["a"]` {
		t.Errorf("got %s, %v", got, err)
	}
}
