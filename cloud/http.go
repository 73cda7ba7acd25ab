package cloud

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
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
	"github.com/muster-iot/muster/console"
	"github.com/muster-iot/muster/edge"
)

func (c *Cloud) listenHTTP() error {
	listener, err := net.Listen("tcp", c.config.HTTP.Addr)
	if err != nil {
		return fmt.Errorf("http: %w", err)
	}
	if c.listener, err = c.secureHTTP(listener); err != nil {
		return err
	}
	c.addresses.HTTP = listener.Addr().String()
	if c.config.Node.TakesDevices() {
		c.addresses.WebSocket = c.addresses.scheme("ws") + c.addresses.HTTP + broker.WebSocketPath
	}
	mux := c.mux()
	handler := http.Handler(mux)
	if c.config.Node.ServesOperators() {
		handler = c.withOperations(mux)
	}
	c.http = edge.NewServer(edge.Config{
		MaxConnections: c.capacity.http, MaxPerAddress: c.config.HTTP.MaxConnectionsPerAddress,
		Proxies: c.config.HTTP.TrustedProxies, Host: c.config.HTTP.Host(), Log: c.log, Refuse: refuse,
	}, handler)
	c.http.RegisterOnShutdown(c.activity.Close) // or event streams would never end
	return nil
}

// mux returns the handler of what servers of every role serve over HTTP.
func (c *Cloud) mux() *http.ServeMux {
	mux := http.NewServeMux()
	if c.config.Node.TakesDevices() {
		mux.Handle(broker.WebSocketPath, c.broker.WebSocket())
	} else {
		mux.HandleFunc(broker.WebSocketPath, c.notOfThisRole)
	}
	if c.config.Metrics.Addr == "" {
		mux.Handle("GET /metrics", c.metricsHandler(false))
	} else {
		mux.Handle("GET /metrics", http.NotFoundHandler())
	}
	mux.HandleFunc("GET /healthz", c.healthz)
	mux.HandleFunc("GET /readyz", c.readyz)
	if !c.config.Node.ServesOperators() {
		mux.HandleFunc("/", c.notOfThisRole)
	}
	return mux
}

// withOperations adds the REST API and the console. A ServeMux redirects a path with .. in it, which the
// API has to reject: hence the API does not go through the mux.
func (c *Cloud) withOperations(mux *http.ServeMux) http.Handler {
	c.console = console.New(console.Config{
		MQTT: c.addresses.MQTT, MaxImage: int64(c.config.OTA.MaxImage),
		Accounts: c.accounts, Registry: c.registry, Audit: c.audit, Releases: c.releases, Rollouts: c.rollouts, History: c.history, Rehearsals: c.rehearsals, Remaining: c.remaining, Live: c.activity, Quotas: c.quotas, Notify: c.notify, Log: c.log,
		Jobs: c.jobs, Filters: c.filters,
	})
	rest := sync.OnceValue(c.operations) // takes a tenth of a start
	mux.Handle("/", c.console)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if ofAPI(r) {
			rest().ServeHTTP(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// notOfThisRole answers what servers of other roles serve.
func (c *Cloud) notOfThisRole(w http.ResponseWriter, r *http.Request) {
	refuse(w, r, http.StatusNotFound, "this server's node.role is "+c.config.Node.Role+": it does not serve this")
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
	if status == http.StatusNotFound {
		code = "not_found"
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
	case c.draining.begun.Load():
		plain(w, http.StatusServiceUnavailable, "this server is being stopped: others take its work and its devices")
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
