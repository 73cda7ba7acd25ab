// Package edge is the HTTP server in front of all handlers. It hides what keeps strangers from
// using it up: limits of connections in all and per address, deadlines of reading and writing,
// bodies nobody asked for, names that are not this server's, and clients behind proxies.
package edge

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"time"

	"golang.org/x/time/rate"

	"github.com/muster-iot/muster/limit"
	"github.com/muster-iot/muster/proxy"
)

// Deadlines and limits of HTTP connections.
const (
	headerTimeout = 10 * time.Second
	bodyTimeout   = 30 * time.Second // from the first byte of a request to the last; a handler may extend it
	idleTimeout   = 2 * time.Minute  // between two requests
	writeTimeout  = 30 * time.Second // for a client to take what one write holds; a handler may set its own
	closeTimeout  = 5 * time.Second  // for the rest of a body after the answer
	maxHeader     = 256 << 10        // bytes; ten thousand parameters fit, so that one is named that is wrong
)

// Config is what an edge works with.
type Config struct {
	MaxConnections int            // open at a time; WebSockets do not count
	MaxPerAddress  int            // of these, and requests at a time, of one IPv4 address or IPv6 /64
	Proxies        proxy.Networks // whose X-Forwarded-For is believed
	Host           string         // the name clients reach the server by, without port; "": any
	Log            *slog.Logger

	// Refuse answers a request that no handler is to see.
	Refuse func(w http.ResponseWriter, r *http.Request, status int, text string)
}

// NewServer returns a server that is to serve next. r.RemoteAddr is the client's address in
// next, also behind a proxy.
func NewServer(config Config, next http.Handler) *http.Server {
	g := &guard{
		Config: config, next: next,
		conns:    newConnections(config),
		requests: newTally(config.MaxPerAddress),
	}
	return &http.Server{
		Handler: g, ConnState: g.conns.follow,
		ConnContext: func(ctx context.Context, conn net.Conn) context.Context {
			return context.WithValue(ctx, connKey{}, conn)
		},
		ReadHeaderTimeout: headerTimeout, ReadTimeout: bodyTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader,
		ErrorLog: slog.NewLogLogger(config.Log.Handler(), slog.LevelDebug),
	}
}

// connKey is the key of a request's connection in its context.
type connKey struct{}

// guard is the handler in front of all others.
type guard struct {
	Config
	next     http.Handler
	conns    *connections
	requests *tally // in progress, by the client's network
}

// ServeHTTP implements http.Handler.
func (g *guard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	conn, _ := r.Context().Value(connKey{}).(net.Conn) // none in a test
	e := newExchange(w, r, func() { g.conns.keep(conn) })
	defer e.finish()
	address, forwarded := g.Proxies.Client(r)
	if forwarded {
		e.request.RemoteAddr = address
	}
	switch {
	case (r.Method == http.MethodGet || r.Method == http.MethodHead) && r.ContentLength != 0: // -1: chunked
		// No handler may read it: anybody could have one parsed without limit (RFC 9110 §9.3.1).
		e.Header().Set("Connection", "close")
		g.Refuse(e, r, http.StatusBadRequest, "a GET or HEAD request can't have a body: send parameters in the query")
		return
	case !g.knows(r):
		g.Refuse(e, r, http.StatusMisdirectedRequest, "this server is "+g.Host+": no other name is served")
		return
	}
	if forwarded { // the limit of connections sees only the proxy
		network := limit.Network(address)
		if !g.requests.enter(network) {
			e.Header().Set("Retry-After", "5")
			g.Refuse(e, r, http.StatusServiceUnavailable, "too many requests at once from your address: try again")
			return
		}
		defer g.requests.leave(network)
	}
	g.next.ServeHTTP(e, e.request)
}

// newRefusals limits log lines about connections that were closed.
func newRefusals() *rate.Limiter { return rate.NewLimiter(1, 10) }
