package cloud

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/muster-iot/muster/broker"
)

// Limits of HTTP requests. Bodies may be large and slow, headers may not.
const (
	maxHeader     = 256 << 10 // bytes; ten thousand parameters fit, so that one is named that is wrong
	headerTimeout = 10 * time.Second
	idleTimeout   = 2 * time.Minute

	refusedTimeout = 5 * time.Second // for the peer to read why its body is refused
)

// serveMux returns the handler of everything served over HTTP. A ServeMux redirects a path
// with .. in it, which the API has to reject: hence the API does not go through the mux.
func (c *Cloud) serveMux(rest, pages http.Handler) http.Handler {
	metrics := prometheus.NewRegistry()
	metrics.MustRegister(c.collectors()...)
	mux := http.NewServeMux()
	mux.Handle(broker.WebSocketPath, c.broker.WebSocket())
	mux.Handle("GET /metrics", promhttp.HandlerFor(metrics, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", c.healthz)
	mux.HandleFunc("GET /readyz", c.readyz)
	mux.Handle("/", pages)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case (r.Method == http.MethodGet || r.Method == http.MethodHead) && r.ContentLength != 0: // -1: chunked
			refuseBody(w, r)
		case ofAPI(r):
			rest.ServeHTTP(w, r)
		default:
			mux.ServeHTTP(w, r)
		}
	})
}

func ofAPI(r *http.Request) bool {
	return strings.HasPrefix(r.URL.Path, "/v1/") || strings.HasPrefix(r.URL.Path, "/oauth/")
}

// refuseBody answers a GET or HEAD that has a body, which no handler may read: anybody could
// have one parsed without limit (RFC 9110 §9.3.1 allows closing the connection).
func refuseBody(w http.ResponseWriter, r *http.Request) {
	const text = "a GET or HEAD request can't have a body: send parameters in the query"
	w.Header().Set("Connection", "close")
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(refusedTimeout)) // a test's recorder has none
	if !ofAPI(r) {
		plain(w, http.StatusBadRequest, text)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusBadRequest)
	_, _ = fmt.Fprintf(w, "{\"error\":\"malformed\",\"error_description\":%q}\n", text) // the client may have gone
}

// healthz reports that the process runs.
func (c *Cloud) healthz(w http.ResponseWriter, _ *http.Request) {
	plain(w, http.StatusOK, "ok")
}

// readyz reports whether devices and operators can be served: the store answers and the
// index is built.
func (c *Cloud) readyz(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
	defer cancel()
	switch err := c.store.Ping(ctx); {
	case err != nil:
		plain(w, http.StatusServiceUnavailable, "the store does not answer")
	case !c.store.Index.Ready():
		plain(w, http.StatusServiceUnavailable, "the index is being built")
	default:
		plain(w, http.StatusOK, "ready")
	}
}

func plain(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text + "\n")) // the client may have gone
}
