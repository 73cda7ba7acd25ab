package console

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-iot/muster/filter"
	"github.com/muster-iot/muster/fleet"
)

func TestAnEntryOfTheAuditLogIsReadable(t *testing.T) {
	names := nameOf{groups: map[string]string{"3": "beta", "4": "b#1"}, products: map[string]string{"1": "Lamp"}}
	digest := strings.Repeat("0f", 32)
	for name, c := range map[string]struct {
		before, after string
		want          []change
	}{
		"only what differs":           {`{"name":"a","notes":"n"}`, `{"name":"b","notes":"n"}`, []change{{"name", "a", "b"}}},
		"groups by name":              {`{"groups":[3]}`, `{"groups":[3,4,9]}`, []change{{"groups", "beta", "beta, b#1, a deleted group (9)"}}},
		"releases by group":           {`{"groups":{"3":"1"},"product_id":1}`, `{"groups":{"3":"2"},"product_id":1}`, []change{{"groups", "beta: 1", "beta: 2"}}},
		"a product by name":           {"", `{"product_id":1}`, []change{{"product_id", "", "Lamp"}}},
		"yes and no":                  {`{"development":false}`, `{"development":true}`, []change{{"development", "no", "yes"}}},
		"a time":                      {"", `{"expires":"2026-11-24T02:15:13.8748595Z"}`, []change{{"expires", "", "2026-11-24 02:15:13 UTC"}}},
		"a digest":                    {"", `{"sha256":"` + digest + `"}`, []change{{"sha256", "", "0f0f0f0f0f0f …"}}},
		"a number as it was":          {"", `{"size":12345678901234567890}`, []change{{"size", "", "12345678901234567890"}}},
		"what is gone":                {`{"name":"a"}`, "", []change{{"name", "a", ""}}},
		"nothing":                     {"", "", nil},
		"what is not an object":       {"", "half {", []change{{"", "", "half {"}}},
		"a long text between letters": {"", `{"notes":"` + strings.Repeat("ä", longestValue) + `"}`, []change{{"notes", "", strings.Repeat("ä", longestValue/2) + " …"}}},
		"a long list":                 {"", `{"add":[3,3,3],"devices":["a","b","c","d","e","f"]}`, []change{{"add", "", "beta, beta, beta"}, {"devices", "", "a, b, c and 3 more"}}},
	} {
		if diff := cmp.Diff(names.changes(fleet.AuditEntry{Before: c.before, After: c.after}), c.want); diff != "" {
			t.Errorf("%s: (-got +want)\n%s", name, diff)
		}
	}
}

func TestAnEntryIsShownInFullToo(t *testing.T) {
	e := fleet.AuditEntry{After: `{"devices":["a","b","c","d","e","f"],"notes":"` + strings.Repeat("x", longestValue+1) + `"}`}
	want := []change{{"devices", "", "a, b, c, d, e, f"}, {"notes", "", strings.Repeat("x", longestValue+1)}}
	if diff := cmp.Diff(nameOf{}.inFull().changes(e), want); diff != "" {
		t.Errorf("(-got +want)\n%s", diff)
	}
}

func TestAQueryOfSeveralValuesIsEscapedOnce(t *testing.T) {
	f := deviceFilter{Fields: filter.Fields{Search: "a&b", Groups: []string{"b#1:x@y", "beta"}}, Sort: "name"}
	if got, want := string(f.SortBy("name")), "group=b%231%3Ax%40y&group=beta&q=a%26b&sort=-name"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	var page strings.Builder
	if err := pages()["devices"].ExecuteTemplate(&page, "sort", map[string]any{"f": f, "by": "name", "text": "Name"}); err != nil {
		t.Fatal(err)
	}
	if want := `href="?group=b%231%3Ax%40y&amp;group=beta&amp;q=a%26b&amp;sort=-name"`; !strings.Contains(page.String(), want) {
		t.Errorf("got %s, want %s", page.String(), want)
	}
}

func TestAFilterIsToldInWords(t *testing.T) {
	f := deviceFilter{Fields: filter.Fields{Search: "hall", Groups: []string{"a", "b"}, Version: "7", Online: "no", Locked: "yes", Development: "no"}}
	want := "“hall” in the id, name or notes, in a or b, running 7, offline, locked, not development devices"
	if got := f.Words(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := (deviceFilter{}).Words(); got != "" {
		t.Errorf("no filter: got %q", got)
	}
}

func TestTheAuditLogIsSearchedByDay(t *testing.T) {
	w := withDevices(t)
	today := time.Now().UTC()
	day := func(days int) string { return today.AddDate(0, 0, days).Format(time.DateOnly) }
	for query, want := range map[string]string{
		"from=" + day(-1): "device.import", "to=" + day(1): "device.import", "from=" + day(-1) + "&to=" + day(1): "device.import",
		"from=" + day(1): "", "to=" + day(-1): "", "from=someday": "is not a date", "to=2026-13-01": "is not a date",
	} {
		page := body(t, w.send(http.MethodGet, "/team/audit?"+query, nil, w.signed))
		if strings.Contains(page, "action=device.import") != (want == "device.import") && want != "is not a date" || !strings.Contains(page, want) {
			t.Errorf("%s: the page lacks %q, or shows what it should not:\n%s", query, want, page)
		}
	}
}
