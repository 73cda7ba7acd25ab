package rest_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// fuzzed is a world, and its handler without a network.
func fuzzed(f *testing.F) (*world, http.Handler) {
	w := bare(f)
	w.fill()
	return w, w.handler()
}

// asked is what handler answers to a request that was read from a connection; ok is false
// for one that could not have been.
func (w *world) asked(t *testing.T, handler http.Handler, method, target, body string, header http.Header) (status int, ok bool) {
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
		r.Header.Set("Authorization", "Bearer "+w.token)
	}
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, r)
	if answer.Code >= http.StatusInternalServerError {
		t.Fatalf("%s %q %q %v: got %d %s", method, target, body, header, answer.Code, answer.Body)
	}
	return answer.Code, true
}

func FuzzPaths(f *testing.F) {
	w, handler := fuzzed(f)
	for _, seed := range [][2]string{{"lamp-7", "7"}, {"a%20b", "1.4.0-rc.1"}, {"%00", "99999999999"}, {"..%2f..", "v1"}, {"%ff", "1.4"}, {strings.Repeat("a", 200), "1e3"}} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, device, version string) {
		if strings.Contains(device+version, "?") || strings.Contains(device, "events") {
			t.Skip("a query, or an endless answer")
		}
		for _, path := range []string{"/v1/devices/" + device, "/v1/products/lamp/devices/" + device, "/v1/devices/" + device + "/why", "/v1/products/lamp/firmware/" + version} {
			w.asked(t, handler, http.MethodGet, path, "", nil)
		}
	})
}

func FuzzFilters(f *testing.F) {
	w, handler := fuzzed(f)
	for _, seed := range []string{
		"page=9223372036854775807&per_page=100", "groups[0]=a&tags=b&sortAttr=deviceName&online=true", "pageLimit=5&pageNextToken=%00", "deviceIds=a,,b&deviceTypes=BLE",
		"inclusiveStart=2026-01-01T00:00:00Z&pageSort=asc", "start=9999999999-01-01", "firmwareVersion=1.4.0-rc.1&locked=", "state=failed,x&version=7", "%zz", "a;b=1", "firmware_version=7&product_default=no",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, query string) {
		for _, path := range []string{"/v1/products/lamp/devices", "/v1/devices", "/v1/messages", "/v1/products/lamp/updates", "/v1/products/lamp/impact", "/v1/products/lamp/groups"} {
			w.asked(t, handler, http.MethodGet, path+"?"+query, "", nil)
		}
	})
}

func FuzzHeaders(f *testing.F) {
	w, handler := fuzzed(f)
	f.Add("Bearer good", `"abc"`, "application/json", "k")
	f.Add("bearer  ", `W/"a", "b"`, "multipart/form-data; boundary=", "\xff")
	f.Add("Basic Z29vZA==", "*", "application/x-www-form-urlencoded; charset=\"", "")
	f.Fuzz(func(t *testing.T, authorization, match, kind, key string) {
		header := http.Header{"Authorization": {authorization}, "If-Match": {match}, "Content-Type": {kind}, "Idempotency-Key": {key}}
		w.asked(t, handler, http.MethodPut, "/v1/devices/lamp-7", `{"name":"x"}`, header)
		w.asked(t, handler, http.MethodPost, "/v1/devices/lamp-7/commands", `{"message":1}`, header)
	})
}
