package cloud

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/muster-iot/muster/api/account"
	"github.com/muster-iot/muster/api/channels"
	"github.com/muster-iot/muster/api/exports"
	apihistory "github.com/muster-iot/muster/api/history"
	apijobs "github.com/muster-iot/muster/api/jobs"
	"github.com/muster-iot/muster/api/nrf"
	"github.com/muster-iot/muster/api/particle"
	apirehearsal "github.com/muster-iot/muster/api/rehearsal"
	"github.com/muster-iot/muster/api/rest"
	"github.com/muster-iot/muster/api/updates"
	"github.com/muster-iot/muster/api/upload"
	"github.com/muster-iot/muster/broker"
)

// serveMux returns the handler of everything served over HTTP. A ServeMux redirects a path
// with .. in it, which the API has to reject: hence the API does not go through the mux.
func (c *Cloud) serveMux(rest, pages http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle(broker.WebSocketPath, c.broker.WebSocket())
	if c.config.Metrics.Addr == "" {
		mux.Handle("GET /metrics", c.metricsHandler(false))
	} else {
		mux.Handle("GET /metrics", http.NotFoundHandler())
	}
	mux.HandleFunc("GET /healthz", c.healthz)
	mux.HandleFunc("GET /readyz", c.readyz)
	mux.Handle("/", pages)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if ofAPI(r) {
			rest.ServeHTTP(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

func ofAPI(r *http.Request) bool {
	return strings.HasPrefix(r.URL.Path, "/v1/") || strings.HasPrefix(r.URL.Path, "/oauth/")
}

// refuse answers a request that no handler is to see.
func refuse(w http.ResponseWriter, r *http.Request, status int, text string) {
	if !ofAPI(r) {
		plain(w, status, text)
		return
	}
	code := "malformed"
	if status >= http.StatusInternalServerError {
		code = "busy"
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, "{\"error\":%q,\"error_description\":%q}\n", code, text) // the client may have gone
}

// healthz reports that the process runs.
func (c *Cloud) healthz(w http.ResponseWriter, _ *http.Request) {
	plain(w, http.StatusOK, "ok")
}

// readyz reports whether devices and operators can be served: reads and writes of the store
// work, and the index is built. A bucket of images that can't be used is only named: every server
// shares it, and most of what they do needs none of it.
func (c *Cloud) readyz(w http.ResponseWriter, _ *http.Request) {
	switch err := c.store.Ready(); {
	case err != nil:
		plain(w, http.StatusServiceUnavailable, "the store can't be used: "+err.Error())
	case !c.store.Index.Ready():
		plain(w, http.StatusServiceUnavailable, "the index is being built")
	case c.bucket != nil && c.bucket.Trouble() != nil:
		plain(w, http.StatusOK, "ready, but "+c.bucket.Trouble().Error())
	default:
		plain(w, http.StatusOK, "ready")
	}
}

// httpPatience is how long requests in progress may take at a shutdown.
const httpPatience = 5 * time.Second

// closeHTTP ends HTTP in order, and cuts off requests that take too long: a client that does not
// read its download must not keep the server from ending.
func (c *Cloud) closeHTTP(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, httpPatience)
	defer cancel()
	err := c.http.Shutdown(ctx)
	if !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	c.log.Info("cut off requests that were still in progress")
	return c.http.Close()
}

func plain(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text + "\n")) // the client may have gone
}

// operations are the REST API.
func (c *Cloud) operations() http.Handler {
	operations := rest.New(rest.Config{
		Version: c.config.Version, MaxImage: int64(c.config.OTA.MaxImage), MQTT: c.addresses.MQTT,
	}, rest.Domain{
		Accounts: c.accounts, Registry: c.registry, Audit: c.audit, Releases: c.releases, Rollouts: c.rollouts, Events: c.activity, Repeats: c.store.Repeats, Process: c.store.Nodes().ID(), Alive: c.store.Nodes().Alive, Quotas: c.quotas, Notify: c.notify, Filters: c.filters,
	}, c.log)
	return operations.Handler(
		account.Tables(operations), apihistory.Tables(operations, c.history), apirehearsal.Tables(operations, c.rehearsals), channels.Tables(operations),
		exports.Tables(operations), upload.Tables(operations), updates.Tables(operations, c.remaining), apijobs.Tables(operations, c.jobs, c.filters), particle.Tables(operations), nrf.Tables(operations),
	)
}
