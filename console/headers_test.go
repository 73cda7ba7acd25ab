package console

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"testing"
)

// The first visit of a page loads at most this much, compressed.
const maxColdLoad = 150 << 10 // bytes

func TestPagesAndTheirFilesAreCompressed(t *testing.T) {
	w := withDevices(t)
	asBrowser := header("Accept-Encoding", "gzip, deflate, br, zstd")
	for _, page := range []string{"/p/lamp/devices", "/p/lamp/fleet", "/p/lamp/attention", "/p/lamp/device/d-1"} {
		plain := body(t, w.send(http.MethodGet, page, nil, w.signed))
		load := 0
		for _, found := range append([][]string{{"", page}}, regexp.MustCompile(`(?:href|src)="(/static/[^"]+)"`).FindAllStringSubmatch(plain, -1)...) {
			answer := w.send(http.MethodGet, found[1], nil, w.signed, asBrowser)
			size := len(body(t, answer))
			load += size
			if size > 1024 && answer.Header.Get("Content-Encoding") == "" {
				t.Errorf("%s is not compressed: %d bytes", found[1], size)
			}
		}
		if load > maxColdLoad {
			t.Errorf("%s: the first visit loads %d bytes, want at most %d", page, load, maxColdLoad)
		}
		t.Logf("%s: %d bytes", page, load)
	}
	server := httptest.NewServer(w.Console)
	for _, path := range streamPaths { // the header must come before the first event
		request := must[*http.Request](t)(http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+path, nil))
		w.signed(request)
		asBrowser(request)
		answer := must[*http.Response](t)(server.Client().Do(request))
		if answer.StatusCode != http.StatusOK || answer.Header.Get("Content-Encoding") != "" {
			t.Errorf("%s: got %d, encoding %q; want a stream as it is", path, answer.StatusCode, answer.Header.Get("Content-Encoding"))
		}
		_ = answer.Body.Close()
	}
	server.CloseClientConnections()
	server.Close()
	image := w.send(http.MethodGet, "/p/lamp/firmware/1/image", nil, w.signed, asBrowser)
	if image.Header.Get("Content-Encoding") != "" || image.Header.Get("Content-Length") != "6" {
		t.Errorf("an image: got headers %v, want it as it is", image.Header)
	}
}
