package cloud_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/muster-iot/muster/cloud"
	"github.com/muster-iot/muster/cloud/cloudtest"
)

func TestMetricsAreForWhoMayReadThem(t *testing.T) {
	t.Parallel()
	const token = "a token of sixteen bytes"
	open := serve(t)
	guarded := serve(t, func(c *cloud.Config) { c.Metrics.Token = token })
	apart := serve(t, func(c *cloud.Config) { c.Metrics.Addr = "127.0.0.1:0" })
	for _, row := range []struct {
		name    string
		server  *world
		from    string
		headers map[string]string
		want    int
	}{
		{"this machine", open, "127.0.0.1:1", nil, 200},
		{"this machine, IPv6", open, "[::1]:1", nil, 200},
		{"another machine", open, "192.0.2.1:1", nil, 403},
		{"another machine by way of a proxy here", open, "127.0.0.1:1", map[string]string{"X-Forwarded-For": "192.0.2.1"}, 403},
		{"a proxy here that forwards nonsense", open, "127.0.0.1:1", map[string]string{"X-Forwarded-For": "unknown"}, 403},
		{"the token", guarded, "192.0.2.1:1", map[string]string{"Authorization": "Bearer " + token}, 200},
		{"another token", guarded, "192.0.2.1:1", map[string]string{"Authorization": "Bearer nonsense"}, 401},
		{"this machine without the token", guarded, "127.0.0.1:1", nil, 401},
		{"on the other listener", apart, "127.0.0.1:1", nil, 404},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, "/metrics", nil)
			r.RemoteAddr = row.from
			for name, value := range row.headers {
				r.Header.Set(name, value)
			}
			w := httptest.NewRecorder()
			row.server.Cloud.Handler().ServeHTTP(w, r)
			if w.Code != row.want || (w.Code == 200) != strings.Contains(w.Body.String(), "muster_connections ") {
				t.Errorf("got %d %.100s, want %d", w.Code, w.Body, row.want)
			}
		})
	}
	answer := cloudtest.Must[*http.Response](t)(http.Get("http://" + apart.Cloud.Addresses().Metrics + "/metrics"))
	defer answer.Body.Close()
	if text := string(cloudtest.Must[[]byte](t)(io.ReadAll(answer.Body))); !strings.Contains(text, "muster_connections ") {
		t.Errorf("the listener of its own: got %d %.100s", answer.StatusCode, text)
	}
}
