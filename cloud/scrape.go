package cloud

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// scrapeTimeout bounds a request to the listener of /metrics, and its answer.
const scrapeTimeout = 30 * time.Second

// metricsHandler serves /metrics to those who may read it: with the token, or without one this
// machine, unless anybody may. The numbers concern all teams.
func (c *Cloud) metricsHandler(anybody bool) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(c.collectors()...)
	metrics := promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
	token := c.config.Metrics.Token.Reveal()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case token != "" && !bears(r, token):
			w.Header().Set("WWW-Authenticate", "Bearer")
			plain(w, http.StatusUnauthorized, "send metrics.token in the header Authorization: Bearer ...")
		case token == "" && !anybody && !local(r):
			plain(w, http.StatusForbidden, "metrics are for this machine: set metrics.token or metrics.addr on the server to read them from elsewhere")
		default:
			metrics.ServeHTTP(w, r)
		}
	})
}

func bears(r *http.Request, token string) bool {
	scheme, sent, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	got, want := sha256.Sum256([]byte(strings.TrimSpace(sent))), sha256.Sum256([]byte(token))
	return strings.EqualFold(scheme, "bearer") && subtle.ConstantTimeCompare(got[:], want[:]) == 1
}

// local reports whether r comes from this machine, and from no other one through a proxy here.
func local(r *http.Request) bool {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback() && r.Header.Get("X-Forwarded-For") == "" && r.Header.Get("Forwarded") == ""
}

// metricsServer is the listener that serves /metrics only. A nil one does nothing.
type metricsServer struct {
	http     *http.Server
	listener net.Listener
}

// listenMetrics listens on the configured address, if any.
func (c *Cloud) listenMetrics() error {
	if c.config.Metrics.Addr == "" {
		return nil
	}
	listener, err := net.Listen("tcp", c.config.Metrics.Addr)
	if err != nil {
		return fmt.Errorf("metrics: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", c.metricsHandler(true))
	c.addresses.Metrics = listener.Addr().String()
	c.metrics = &metricsServer{listener: listener, http: &http.Server{
		Handler: mux, ReadTimeout: scrapeTimeout, WriteTimeout: scrapeTimeout, IdleTimeout: scrapeTimeout, MaxHeaderBytes: 8 << 10,
		ErrorLog: slog.NewLogLogger(c.log.Handler(), slog.LevelDebug),
	}}
	return nil
}

// serve serves until close, and reports why it ended otherwise.
func (m *metricsServer) serve(failed chan<- error) {
	if m == nil {
		return
	}
	if err := m.http.Serve(m.listener); !errors.Is(err, http.ErrServerClosed) {
		failed <- fmt.Errorf("metrics: %w", err)
	}
}

// close cuts scrapes in progress.
func (m *metricsServer) close() {
	if m == nil {
		return
	}
	_ = m.http.Close()
	_ = m.listener.Close() // where it was not served
}
