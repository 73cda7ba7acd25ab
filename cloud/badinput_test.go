package cloud_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/cloud/cloudtest"
)

const (
	asJSON = "application/json"
	asForm = "application/x-www-form-urlencoded"
)

// TestBadInputIsRefusedByName sends invalid requests: the answer to each is a 4xx in JSON that
// says what to do and names a field that is wrong.
func TestBadInputIsRefusedByName(t *testing.T) {
	t.Parallel()
	w := serve(t)
	cloudtest.Enroll(t, w.Client, "lamp-1")
	cloudtest.UploadVersions(t, w.Client, 100, 1)
	const products, lamps, one = "/v1/products", "/v1/products/lamp/devices", "/v1/products/lamp/devices/lamp-1"
	many := strings.Repeat("g,", 10_000) + "g"
	for name, row := range map[string]struct {
		method, path, kind, body string
		status                   int
		field                    string // "": none is named
	}{
		"body over the limit":           {"PUT", one, asJSON, `{"notes":"` + strings.Repeat("x", 1<<20) + `"}`, 413, ""},
		"form over the limit":           {"PUT", one, asForm, "notes=" + strings.Repeat("x", 1<<20), 413, ""},
		"notes too long":                {"PUT", one, asJSON, `{"notes":"` + strings.Repeat("x", 100_000) + `"}`, 422, "notes"},
		"no JSON":                       {"PUT", one, asJSON, `{"notes"`, 400, ""},
		"two values":                    {"PUT", one, asJSON, `{} {}`, 400, ""},
		"no object":                     {"PUT", one, asJSON, `[1]`, 422, ""},
		"deep nesting":                  {"PUT", one, asJSON, strings.Repeat("[", 20_000), 400, ""},
		"unknown field":                 {"PUT", one, asJSON, `{"colour_of":"x"}`, 422, "colour_of"},
		"unknown field below":           {"PUT", lamps, asJSON, `{"action":"groups","devices":["lamp-1"],"metadata":{"ad":["x"]}}`, 422, "metadata.ad"},
		"unknown field of a form":       {"PUT", one, asForm, "colour_of=x", 422, "colour_of"},
		"number for a text":             {"PUT", one, asJSON, `{"name":5}`, 422, "name"},
		"text for a flag":               {"PUT", one, asJSON, `{"development":"yes"}`, 422, "development"},
		"object for a list":             {"PUT", one, asJSON, `{"groups":{"a":1}}`, 422, "groups"},
		"null for a list":               {"PUT", one, asJSON, `{"groups":null}`, 422, "groups"},
		"version that is not one":       {"PUT", one, asJSON, `{"desired_firmware_version":1.5}`, 422, "desired_firmware_version"},
		"version below zero":            {"PUT", one, asJSON, `{"desired_firmware_version":-1}`, 422, "desired_firmware_version"},
		"version over the limit":        {"PUT", one, asJSON, `{"desired_firmware_version":99999999999}`, 422, "desired_firmware_version"},
		"version not uploaded":          {"PUT", one, asJSON, `{"desired_firmware_version":9}`, 422, "desired_firmware_version"},
		"flash without a lock":          {"PUT", one, asJSON, `{"flash":true}`, 422, "flash"},
		"invalid UTF-8 in a name":       {"PUT", one, asJSON, "{\"name\":\"\xff\xfe\"}", 422, "name"},
		"invalid UTF-8 in a form":       {"PUT", one, asForm, "name=%ff%fe", 422, "name"},
		"control characters":            {"PUT", one, asJSON, `{"name":"a\u0000b"}`, 422, "name"},
		"group name with a space":       {"POST", products + "/lamp/groups", asJSON, `{"name":"a b"}`, 422, "name"},
		"group name too long":           {"POST", products + "/lamp/groups", asJSON, `{"name":"` + strings.Repeat("g", 65) + `"}`, 422, "name"},
		"group color that is not one":   {"POST", products + "/lamp/groups", asJSON, `{"name":"g","color":"red"}`, 422, "color"},
		"another content type":          {"PUT", one, "application/xml", `<name/>`, 415, ""},
		"no devices to import":          {"POST", lamps, asJSON, `{}`, 422, "ids"},
		"too many devices":              {"POST", lamps, asJSON, `{"ids":["a"` + strings.Repeat(`,"a"`, 100_000) + `]}`, 422, "ids"},
		"batch of nothing":              {"PUT", lamps, asJSON, `{"action":"groups","devices":[]}`, 422, "devices"},
		"batch of another kind":         {"PUT", lamps, asJSON, `{"action":"explode","devices":["lamp-1"]}`, 422, "action"},
		"batch with a wrong id":         {"PUT", lamps, asJSON, `{"action":"groups","devices":["a b"]}`, 422, "devices"},
		"upload without a file":         {"POST", products + "/lamp/firmware", asJSON, `{"version":1}`, 415, ""},
		"release of nothing":            {"PUT", products + "/lamp/firmware/release", asJSON, `{}`, 422, "version"},
		"release to an unknown group":   {"PUT", products + "/lamp/firmware/release", asJSON, `{"version":1,"groups":["nope"]}`, 422, "groups"},
		"impact of no version":          {"GET", products + "/lamp/impact", "", "", 422, "firmware_version"},
		"ten thousand groups":           {"GET", lamps + "?groups=" + many, "", "", 422, "groups"},
		"ten thousand groups to set":    {"PUT", one, asJSON, `{"groups":["` + strings.ReplaceAll(many, ",", `","`) + `"]}`, 422, "groups"},
		"page of letters":               {"GET", lamps + "?page=x", "", "", 422, "page"},
		"page zero":                     {"GET", lamps + "?page=0", "", "", 422, "page"},
		"page beyond all":               {"GET", lamps + "?page=999999999", "", "", 422, "page"},
		"page over 64 bits":             {"GET", lamps + "?page=99999999999999999999999", "", "", 422, "page"},
		"rows below zero":               {"GET", lamps + "?perPage=-1", "", "", 422, "perPage"},
		"unknown order":                 {"GET", lamps + "?sortAttr=colour", "", "", 422, "sortAttr"},
		"maybe online":                  {"GET", lamps + "?online=maybe", "", "", 422, "online"},
		"cursor that is not one":        {"GET", "/v1/devices?pageNextToken=%00", "", "", 422, "pageNextToken"},
		"too many rows":                 {"GET", "/v1/devices?pageLimit=101", "", "", 422, "pageLimit"},
		"messages since never":          {"GET", "/v1/messages?start=yesterday", "", "", 422, "start"},
		"cursor of messages":            {"GET", "/v1/messages?pageNextToken=zzz", "", "", 422, "pageNextToken"},
		"path upwards":                  {"GET", products + "/..%2f..%2fetc%2fpasswd", "", "", 404, ""},
		"path upwards, plain":           {"GET", "/v1/products/lamp/firmware/%2e%2e%2f%2e%2e/binary", "", "", 404, ""},
		"zero byte in a path":           {"GET", "/v1/devices/a%00b", "", "", 404, ""},
		"invalid UTF-8 in a path":       {"GET", "/v1/devices/%ff", "", "", 404, ""},
		"a very long path":              {"GET", "/v1/devices/" + strings.Repeat("a", 5000), "", "", 404, ""},
		"password that is not text":     {"POST", "/oauth/token", asJSON, `{"username":1,"password":[]}`, 422, "username"},
		"another grant":                 {"POST", "/oauth/token", asForm, "grant_type=magic", 400, ""},
		"token lifetime over all bound": {"POST", "/oauth/token", asForm, "username=a&password=b&expires_in=99999999999", 422, "expires_in"},
	} {
		t.Run(name, func(t *testing.T) {
			status, body := w.request(t, row.method, row.path, row.kind, row.body)
			var p api.Problem
			if err := json.Unmarshal([]byte(body), &p); err != nil || p.Code == "" || p.Description == "" {
				t.Fatalf("got %d %.300s, want a problem in JSON", status, body)
			}
			if status != row.status {
				t.Errorf("got %d %.300s, want %d", status, body, row.status)
			}
			if _, named := p.Fields[row.field]; row.field != "" && !named {
				t.Errorf("got %.300s, want field %s named", body, row.field)
			}
		})
	}
}

// request is what w's handler answers an owner, without a connection between.
func (w *world) request(t testing.TB, method, path, kind, body string) (status int, answer string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, w.URL("")+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", kind)
	r.Header.Set("Authorization", "Bearer "+w.Token())
	got := cloudtest.Must[*http.Response](t)(http.DefaultClient.Do(r))
	defer got.Body.Close()
	return got.StatusCode, string(cloudtest.Must[[]byte](t)(io.ReadAll(got.Body)))
}

// FuzzREST throws requests at the whole server: nothing that is sent may make it fail.
func FuzzREST(f *testing.F) {
	w := serve(f)
	cloudtest.Enroll(f, w.Client, "lamp-1")
	cloudtest.UploadVersions(f, w.Client, 100, 1)
	handler, token := w.Cloud.Handler(), w.Token()
	for _, seed := range [][4]string{
		{"GET", "/v1/products/lamp/devices?groups=a,b&sortAttr=deviceName&page=2", "", ""},
		{"PUT", "/v1/products/lamp/devices/lamp-1", asJSON, `{"name":"x","groups":["a"],"desired_firmware_version":null}`},
		{"PUT", "/v1/products/lamp/devices/lamp-1?dry_run=true", asForm, "groups[]=a&flash=1&desired_firmware_version=1"},
		{"PUT", "/v1/products/lamp/devices", asJSON, `{"action":"groups","devices":["lamp-1"],"metadata":{"add":["a"]}}`},
		{"POST", "/v1/products/lamp/devices", "multipart/form-data; boundary=b", "--b\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\nx\r\n--b--\r\n"},
		{"PUT", "/v1/products/lamp/firmware/release", asJSON, `{"version":1,"groups":[],"product_default":true}`},
		{"GET", "/v1/products/lamp/impact?firmware_version=1&groups[0]=a", "", ""},
		{"GET", "/v1/devices?pageLimit=5&pageNextToken=AA&tags=a", "", ""},
		{"GET", "/v1/messages?topic=a&inclusiveStart=2026-01-01T00:00:00Z", "", ""},
		{"POST", "/v1/devices/lamp-1/messages", asJSON, `{"topic":"t","message":{"a":1}}`},
		{"POST", "/oauth/token", asForm, "username=a&password=b&grant_type=password"},
		{"POST", "/v1/team/users", asJSON, `{"email":"a@example.com","role":"viewer","groups":["a"]}`},
	} {
		f.Add(seed[0], seed[1], seed[2], seed[3])
	}
	f.Fuzz(func(t *testing.T, method, path, kind, body string) {
		target, err := url.ParseRequestURI(path)
		if err != nil || target.Host != "" || strings.Contains(path, "events") || strings.Contains(path, "access_tokens") {
			t.Skip("no request, an endless one, or one that ends the rights of the next")
		}
		r := &http.Request{
			Method: method, URL: target, RequestURI: path, Host: "127.0.0.1", RemoteAddr: "127.0.0.1:9", Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
			Header: http.Header{"Content-Type": {kind}, "Authorization": {"Bearer " + token}}, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)),
		}
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, r.WithContext(context.WithoutCancel(t.Context())))
		if answer.Code >= http.StatusInternalServerError {
			t.Fatalf("%s %q %q %q: %d %s", method, path, kind, body, answer.Code, answer.Body)
		}
	})
}
