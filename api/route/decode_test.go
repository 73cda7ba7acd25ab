package route

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/fleet"
)

func parseQuery(t *testing.T, text string) url.Values {
	t.Helper()
	q, err := url.ParseQuery(text)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func sorted(names api.Names) api.Names {
	slices.Sort(names)
	return names
}

func TestAFaultInAListIsNamedByItsPlace(t *testing.T) {
	for name, row := range map[string]struct{ body, field string }{
		"an unknown field": {`{"devices":[{"id":"a"},{"id":"b","nom":"Hall"}]}`, "devices[1].nom"},
		"another type":     {`{"devices":[{"id":7}]}`, "devices[0].id"},
		"a text":           {`{"devices":["a"]}`, "devices[0]"},
		"null":             {`{"devices":[null]}`, "devices[0]"},
		"no list":          {`{"devices":{"id":"a"}}`, "devices"},
	} {
		t.Run(name, func(t *testing.T) {
			var in api.NewDevices
			var wrong *api.Problem
			err := decodeJSON([]byte(row.body), &in)
			if !errors.As(err, &wrong) || wrong.Fields[row.field] == "" {
				t.Errorf("got %v, want a fault of %s", err, row.field)
			}
		})
	}
	var in api.NewDevices
	if err := decodeJSON([]byte(`{"devices":[{"id":"a","groups":["eu"]},{"id":"b"}]}`), &in); err != nil || len(in.Devices) != 2 || in.Devices[0].ID != "a" {
		t.Errorf("got %+v, %v", in.Devices, err)
	}
}

func TestFormsMeanWhatJSONMeans(t *testing.T) {
	for name, row := range map[string]struct{ form, json string }{
		"text":            {"name=Hall&notes=", `{"name":"Hall","notes":""}`},
		"text like JSON":  {"name=5", `{"name":"5"}`},
		"flags":           {"development=true&firmware_updates_forced=0", `{"development":true,"firmware_updates_forced":false}`},
		"version":         {"desired_firmware_version=7&flash=1", `{"desired_firmware_version":7,"flash":true}`},
		"null":            {"desired_firmware_version=null", `{"desired_firmware_version":null}`},
		"list by comma":   {"groups=a,b", `{"groups":["a","b"]}`},
		"list by []":      {"groups[]=a&groups[]=b", `{"groups":["a","b"]}`},
		"list by number":  {"groups[0]=a", `{"groups":["a"]}`},
		"list repeated":   {"groups=a&groups=b", `{"groups":["a","b"]}`},
		"no groups":       {"groups=", `{"groups":[]}`},
		"JSON comma text": {"groups=a", `{"groups":"a"}`},
	} {
		t.Run(name, func(t *testing.T) {
			var fromForm, fromJSON api.DeviceUpdate
			if err := DecodeForm(parseQuery(t, row.form), &fromForm); err != nil {
				t.Fatal(err)
			}
			if err := decodeJSON([]byte(row.json), &fromJSON); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(fromJSON, fromForm, cmp.Comparer(func(a, b api.Version) bool { return a == b })); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestNestedForms(t *testing.T) {
	var batch api.BatchUpdate
	if err := DecodeForm(parseQuery(t, "action=groups&devices[]=x&metadata[add][]=a&metadata[remove]=b"), &batch); err != nil {
		t.Fatal(err)
	}
	want := api.BatchUpdate{Action: "groups", Devices: []string{"x"}, Metadata: api.BatchMetadata{Add: api.Names{"a"}, Remove: api.Names{"b"}}}
	if diff := cmp.Diff(want, batch); diff != "" {
		t.Error(diff)
	}
}

func TestWrongFieldsAreNamed(t *testing.T) {
	for name, row := range map[string]struct {
		body   string
		status int
		fields []string
	}{
		"unknown":       {`{"labl":"x"}`, 422, []string{"labl"}},
		"several":       {`{"labl":"x","development":"yes","desired_firmware_version":"1.4"}`, 422, []string{"desired_firmware_version", "development", "labl"}},
		"no object":     {`[1]`, 422, []string{""}},
		"cut":           {`{"name":`, 400, nil},
		"two documents": {`{} {}`, 400, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var p *api.Problem
			if err := decodeJSON([]byte(row.body), new(api.DeviceUpdate)); !errors.As(err, &p) || p.Status != row.status {
				t.Fatalf("got %v, want status %d", err, row.status)
			}
			for _, field := range row.fields {
				if p.Fields[field] == "" {
					t.Errorf("field %q is not named: %v", field, p.Fields)
				}
			}
		})
	}
}

func FuzzDeviceUpdate(f *testing.F) {
	for _, seed := range []string{`{"name":"x","groups":["a"],"desired_firmware_version":null}`, `{"groups":"a,b"}`, `{"a":{"b":[]}}`, `null`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var u api.DeviceUpdate
		if err := decodeJSON(data, &u); err != nil {
			var p *api.Problem
			if !errors.As(err, &p) || p.Status < 400 || p.Status > 499 {
				t.Fatalf("%q: %v is not the client's fault", data, err)
			}
			return
		}
	})
}

func FuzzForm(f *testing.F) {
	for _, seed := range []string{"groups[]=a&name=x", "metadata[add][]=a&devices=x", "a[b][c]=1&a=2", "[]=", "groups[0]=null"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		form, err := url.ParseQuery(text)
		if err != nil {
			return
		}
		for _, target := range []any{new(api.DeviceUpdate), new(api.BatchUpdate), new(api.NewCommand)} {
			var p *api.Problem
			if err := DecodeForm(form, target); err != nil && !errors.As(err, &p) {
				t.Fatalf("%q: %v", text, err)
			}
		}
	})
}

func FuzzNames(f *testing.F) {
	f.Add("groups=a,b&groups[1]=c")
	f.Fuzz(func(t *testing.T, text string) {
		form, err := url.ParseQuery(text)
		if err != nil {
			return
		}
		names, _ := namesIn(form)
		for _, name := range names {
			if name == "" || strings.Contains(name, ",") {
				t.Fatalf("%q: name %q", text, name)
			}
		}
	})
}

// deadlines is a ResponseWriter that notes the read deadlines it is given.
type deadlines struct {
	http.ResponseWriter
	set []bool // whether each was a limit
}

func (d *deadlines) SetReadDeadline(t time.Time) error {
	d.set = append(d.set, !t.IsZero())
	return nil
}

// The server bounds small bodies as a whole (package edge).
func TestLongBodiesMayNotStandStill(t *testing.T) {
	request := httptest.NewRequest(http.MethodPost, "/", strings.NewReader("xy"))
	long := &deadlines{ResponseWriter: httptest.NewRecorder()}
	body := LongBody(request, long, 10)
	for range 2 {
		if _, err := body.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(long.set, []bool{true, true}) {
		t.Errorf("a long body: got %v, want a new limit for each read", long.set)
	}
}

func TestAbsentNullAndValueDiffer(t *testing.T) {
	for name, row := range map[string]struct {
		body string
		want api.Optional[api.Version]
	}{
		"absent": {`{}`, api.Optional[api.Version]{}},
		"null":   {`{"desired_firmware_version":null}`, api.Null[api.Version]()},
		"value":  {`{"desired_firmware_version":"7"}`, api.Some(api.Version{Version: fleet.WholeVersion(7)})},
	} {
		var u api.DeviceUpdate
		if err := decodeJSON([]byte(row.body), &u); err != nil {
			t.Fatal(err)
		}
		if u.Lock != row.want {
			t.Errorf("%s: got %+v, want %+v", name, u.Lock, row.want)
		}
		back, err := json.Marshal(u)
		if want := row.body; err != nil || name != "value" && string(back) != want {
			t.Errorf("%s: written as %s, %v", name, back, err)
		}
	}
}

func TestNamesInEverySpelling(t *testing.T) {
	want := api.Names{"a", "b"}
	for _, query := range []string{"groups=a,b", "groups=a&groups=b", "groups[]=a&groups[]=b", "tags=a,b", "groups[0]=a&groups[1]=b"} {
		got, given := namesIn(parseQuery(t, query))
		if !given || len(got) != 2 || !cmp.Equal(sorted(got), want) {
			t.Errorf("%s: got %v, want %v", query, got, want)
		}
	}
	if _, given := namesIn(parseQuery(t, "groupsx=a")); given {
		t.Error("groupsx is not groups")
	}
}
