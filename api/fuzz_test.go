package api

import (
	"bytes"
	"errors"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/muster-iot/muster/fleet"
)

// fuzzServer is an API over fakes that never fail: what fails is the decoding.
func fuzzServer() http.Handler {
	handler, _ := build(Config{}, &fakeRegistry{view: sampleDevice()}, &fakeOTA{}, newFakeEvents(), newFakeRepeats(), slog.New(slog.DiscardHandler))
	return handler
}

// asked is what handler answers to a request that was read from a connection; ok is false
// for one that could not have been.
func asked(t *testing.T, handler http.Handler, method, target, body string, header http.Header) (status int, ok bool) {
	t.Helper()
	address, err := url.ParseRequestURI(target)
	if err != nil || address.Host != "" {
		return 0, false
	}
	for _, values := range header {
		if strings.ContainsAny(values[0], "\r\n\x00") {
			return 0, false
		}
	}
	r := httptest.NewRequestWithContext(t.Context(), method, "/", strings.NewReader(body))
	r.URL, r.RequestURI = address, target
	for name, values := range header {
		r.Header[name] = values
	}
	if r.Header.Get("Authorization") == "" {
		r.Header.Set("Authorization", "Bearer "+testToken)
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	if w.Code >= http.StatusInternalServerError {
		t.Fatalf("%s %q %q %v: got %d %s", method, target, body, header, w.Code, w.Body)
	}
	return w.Code, true
}

// clients reports whether err, if any, blames the client.
func clients(err error) bool {
	var p *Problem
	return err == nil || errors.As(err, &p) && p.status < http.StatusInternalServerError || errors.Is(err, fleet.Invalid)
}

func FuzzPaths(f *testing.F) {
	handler := fuzzServer()
	for _, seed := range [][2]string{{"lamp-7", "7"}, {"a%20b", "1.4.0-rc.1"}, {"%00", "99999999999"}, {"..%2f..", "v1"}, {"%ff", "1.4"}, {strings.Repeat("a", 200), "1e3"}} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, device, version string) {
		if strings.Contains(device+version, "?") || strings.Contains(device, "events") {
			t.Skip("a query, or an endless answer")
		}
		for _, path := range []string{"/v1/devices/" + device, "/v1/products/lamp/devices/" + device, "/v1/devices/" + device + "/why", "/v1/products/lamp/firmware/" + version} {
			asked(t, handler, http.MethodGet, path, "", nil)
		}
	})
}

func FuzzFilters(f *testing.F) {
	handler := fuzzServer()
	for _, seed := range []string{
		"page=9223372036854775807&per_page=100", "groups[0]=a&tags=b&sortAttr=deviceName&online=true", "pageLimit=5&pageNextToken=%00", "deviceIds=a,,b&deviceTypes=BLE",
		"inclusiveStart=2026-01-01T00:00:00Z&pageSort=asc", "start=9999999999-01-01", "firmwareVersion=1.4.0-rc.1&locked=", "state=failed,x&version=7", "%zz", "a;b=1", "firmware_version=7&product_default=no",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, query string) {
		for _, path := range []string{"/v1/products/42/devices", "/v1/devices", "/v1/messages", "/v1/products/42/updates", "/v1/products/42/impact", "/v1/products/42/groups"} {
			asked(t, handler, http.MethodGet, path+"?"+query, "", nil)
		}
	})
}

func FuzzHeaders(f *testing.F) {
	handler := fuzzServer()
	f.Add("Bearer good", `"abc"`, "application/json", "k")
	f.Add("bearer  ", `W/"a", "b"`, "multipart/form-data; boundary=", "\xff")
	f.Add("Basic Z29vZA==", "*", "application/x-www-form-urlencoded; charset=\"", "")
	f.Fuzz(func(t *testing.T, authorization, match, kind, key string) {
		header := http.Header{"Authorization": {authorization}, "If-Match": {match}, "Content-Type": {kind}, "Idempotency-Key": {key}}
		asked(t, handler, http.MethodPut, "/v1/devices/lamp-7", `{"name":"x"}`, header)
		asked(t, handler, http.MethodPost, "/v1/devices/lamp-7/commands", `{"message":1}`, header)
	})
}

func FuzzIfMatch(f *testing.F) {
	for _, seed := range []string{`"abc"`, `W/"abc"`, "*", "", `""`, `"a", "b"`, `W/`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		m := IfMatch{Match: text}
		if faults := m.Resolve(nil); faults != nil {
			t.Fatal(faults)
		}
		if m.seen != "" && quoted(m.seen) == "" {
			t.Fatalf("%q: got %q", text, m.seen)
		}
		again := IfMatch{Match: quoted("0123456789abcdef")}
		if _ = again.Resolve(nil); again.seen != "0123456789abcdef" {
			t.Fatalf("our own tag comes back as %q", again.seen)
		}
	})
}

func FuzzImportLines(f *testing.F) {
	for _, seed := range []string{"a\r\nb\n\n", "\ufeffa\n", "a b\n\x00\n\xff", strings.Repeat("a", 70_000), "\r\r\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, file string) {
		var b ImportBody
		if err := b.readLines(strings.NewReader(file)); !clients(err) {
			t.Fatalf("%q: %v", file, err)
		}
		for _, id := range b.in.IDs {
			if id == "" || strings.TrimSpace(id) != id || strings.Contains(id, "\n") {
				t.Fatalf("%q: id %q", file, id)
			}
		}
	})
}

func FuzzImportParts(f *testing.F) {
	for _, seed := range partSeeds {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		var b ImportBody
		if err := b.readParts(multipart.NewReader(strings.NewReader(body), "b")); !clients(err) {
			t.Fatalf("%q: %v", body, err)
		}
	})
}

func FuzzUploadParts(f *testing.F) {
	for _, seed := range partSeeds {
		f.Add(seed)
	}
	image, err := os.Create(filepath.Join(f.TempDir(), "image"))
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = image.Close() })
	f.Fuzz(func(t *testing.T, body string) {
		got, err := readUpload(multipart.NewReader(bytes.NewReader([]byte(body)), "b"), image)
		if !clients(err) {
			t.Fatalf("%q: %v", body, err)
		}
		if err == nil && (got.Version.IsZero() || strings.ContainsAny(got.File, `/\`)) {
			t.Fatalf("%q: got %+v", body, got)
		}
	})
}

var partSeeds = []string{
	"--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"../x.bin\"\r\n\r\nimage\r\n--b\r\nContent-Disposition: form-data; name=\"version\"\r\n\r\n7\r\n--b--\r\n",
	"--b\r\nContent-Disposition: form-data; name=\"groups\"\r\n\r\nbeta,eu\r\n--b--\r\n",
	"--b\r\nContent-Disposition: form-data; name=\"groups[]\"\r\n\r\n\xff\r\n--b--\r\n",
	"--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--",
	"--b\r\n\r\n", "--b--\r\n", "",
}
