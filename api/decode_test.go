package api

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

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

func sorted(names Names) Names {
	slices.Sort(names)
	return names
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
			var fromForm, fromJSON DeviceUpdate
			if err := decodeForm(parseQuery(t, row.form), &fromForm); err != nil {
				t.Fatal(err)
			}
			if err := decodeJSON([]byte(row.json), &fromJSON); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(fromJSON, fromForm, cmp.Comparer(func(a, b Version) bool { return a == b })); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestNestedForms(t *testing.T) {
	var batch BatchUpdate
	if err := decodeForm(parseQuery(t, "action=groups&devices[]=x&metadata[add][]=a&metadata[remove]=b"), &batch); err != nil {
		t.Fatal(err)
	}
	want := BatchUpdate{Action: "groups", Devices: []string{"x"}, Metadata: BatchMetadata{Add: Names{"a"}, Remove: Names{"b"}}}
	if diff := cmp.Diff(want, batch); diff != "" {
		t.Error(diff)
	}
	var product ProductBody
	if err := decodeForm(parseQuery(t, "product[name]=Lamp&product[platform_id]=10"), &product); err != nil {
		t.Fatal(err)
	}
	if f, err := product.fields(); err != nil || deref(f.Name) != "Lamp" {
		t.Errorf("got %q, %v, want Lamp", deref(f.Name), err)
	}
	product.Slug = new(string)
	if _, err := product.fields(); !isKind(err, fleet.Invalid) {
		t.Errorf("a slug beside product: got %v, want that it is refused", err)
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
			var p *Problem
			if err := decodeJSON([]byte(row.body), new(DeviceUpdate)); !errors.As(err, &p) || p.status != row.status {
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

func TestBodiesAreBoundedAndTyped(t *testing.T) {
	s := newServe(t)
	for name, row := range map[string]struct {
		contentType, body string
		status            int
	}{
		"JSON with charset": {"application/json; charset=utf-8", `{"name":"x"}`, 200},
		"no type is JSON":   {"", `{"name":"x"}`, 200},
		"empty":             {"application/json", "", 200},
		"other type":        {"text/plain", "name=x", 415},
		"multipart":         {"multipart/form-data; boundary=x", "--x--", 415},
		"too long":          {"application/json", `{"name":"` + strings.Repeat("x", maxBody) + `"}`, 413},
		"deep":              {"application/json", `{"groups":` + strings.Repeat("[", 100_000), 400},
	} {
		t.Run(name, func(t *testing.T) {
			if status, body := s.do(t, http.MethodPut, "/v1/devices/lamp-7", row.contentType, row.body); status != row.status {
				t.Errorf("got %d %.200s, want %d", status, body, row.status)
			}
		})
	}
}

func FuzzDeviceUpdate(f *testing.F) {
	for _, seed := range []string{`{"name":"x","groups":["a"],"desired_firmware_version":null}`, `{"groups":"a,b"}`, `{"a":{"b":[]}}`, `null`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var u DeviceUpdate
		if err := decodeJSON(data, &u); err != nil {
			var p *Problem
			if !errors.As(err, &p) || p.status < 400 || p.status > 499 {
				t.Fatalf("%q: %v is not the client's fault", data, err)
			}
			return
		}
		_ = u.edit()
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
		for _, target := range []any{new(DeviceUpdate), new(BatchUpdate), new(ProductBody), new(NewCommand)} {
			var p *Problem
			if err := decodeForm(form, target); err != nil && !errors.As(err, &p) {
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

// TestBodiesMayNotStandStill: a body is read under a deadline, and the answer is not.
func TestBodiesMayNotStandStill(t *testing.T) {
	request := httptest.NewRequest(http.MethodPut, "/", strings.NewReader(`{"name":"x"}`))
	small := &deadlines{ResponseWriter: httptest.NewRecorder()}
	if err := readBody(request, small, new(DeviceUpdate)); err != nil || !slices.Equal(small.set, []bool{true, false}) {
		t.Errorf("a small body: got %v, %v, want one limit, then none", small.set, err)
	}
	request = httptest.NewRequest(http.MethodPost, "/", strings.NewReader("xy"))
	long := &deadlines{ResponseWriter: httptest.NewRecorder()}
	body := longBody(request, long, 10)
	for range 2 {
		if _, err := body.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(long.set, []bool{true, false, true, false}) {
		t.Errorf("a long body: got %v, want a new limit for each read", long.set)
	}
}
