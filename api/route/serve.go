package route

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/fleet"
)

// Config is what Serve needs besides routes.
type Config struct {
	Version string // of Muster, for the OpenAPI document
	// Actor returns the actor whose token has this secret, with the rights of this moment, for a
	// request from this IP address.
	Actor func(ctx context.Context, secret, address string) (fleet.Actor, error)
	// Admit decides whether who may call an operation that needs action. in is the
	// operation's input, complete.
	Admit func(ctx context.Context, who fleet.Actor, action fleet.Action, in any) error
	// Begin notes that who is about to change something, before anything is changed; end is called
	// once that is done. nil: nothing is noted.
	Begin   func(who fleet.Actor, object string) (end func(), err error)
	Repeats Repeats
	// Process names this server among those that share Repeats; "": a name of its own.
	Process string
	// Alive reports whether another one of them runs; nil: none does.
	Alive func(process string) bool
	Log   *slog.Logger
}

// Repeats keeps what requests with an Idempotency-Key resulted in, longer than this process runs.
type Repeats interface {
	// Take keeps record for id for lifetime and returns it, or the record that id has already.
	Take(ctx context.Context, team fleet.TeamID, id, record string, lifetime time.Duration) (held string, err error)
	// Settle replaces the record of id; "" deletes it.
	Settle(ctx context.Context, team fleet.TeamID, id, record string) error
}

// service is the operations registered so far and what they share.
type service struct {
	config  Config
	process string // identifies this server among those that share Repeats
	huma    huma.API
	routes  []Route
}

// Serve returns a handler of the operations in tables, of /v1/openapi.json and of the page
// /v1/docs. It may be used concurrently and starts no goroutine. Bodies are bounded here, in
// size and in time (bodyTimeout); headers are not: put a ReadHeaderTimeout on the
// http.Server. It panics on a route without an Access, and on two routes with one path.
func Serve(config Config, tables ...Table) http.Handler {
	if config.Begin == nil {
		config.Begin = func(fleet.Actor, string) (func(), error) { return func() {}, nil }
	}
	if config.Alive == nil {
		config.Alive = func(string) bool { return false }
	}
	mux := http.NewServeMux()
	s := &service{config: config, process: cmp.Or(config.Process, rand.Text()), huma: humago.New(mux, document(config.Version))}
	for _, t := range append(tables, s.reference()) {
		for _, r := range t.Routes {
			r.tag = t.Tag
			r.register(s, r)
			s.routes = append(s.routes, r)
		}
	}
	mux.HandleFunc("/", unknownPath(mux))
	handler := onlyClean(mux)
	for _, t := range tables {
		if t.Wrap != nil {
			handler = t.Wrap(handler)
		}
	}
	return handler
}

func document(version string) huma.Config {
	config := huma.DefaultConfig("Muster", version)
	config.OpenAPIPath = "/v1/openapi"
	config.DocsPath = ""    // huma's page loads scripts from a CDN
	config.SchemasPath = "" // schemas are in the document
	config.CreateHooks = nil
	config.FieldsOptionalByDefault = true
	config.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"bearer": {Type: "http", Scheme: "bearer", Description: "A token from POST /oauth/token"},
	}
	return config
}

// methods are those an operation may have, in the order of an Allow header.
var methods = []string{
	http.MethodDelete, http.MethodGet, http.MethodHead, http.MethodPatch, http.MethodPost, http.MethodPut,
}

// unknownPath answers, in JSON, requests that no operation matches.
func unknownPath(mux *http.ServeMux) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var allowed []string
		other := r.WithContext(r.Context()) // a copy
		for _, method := range methods {
			other.Method = method
			if _, pattern := mux.Handler(other); pattern != "/" {
				allowed = append(allowed, method)
			}
		}
		if len(allowed) == 0 {
			noSuchPath(w)
			return
		}
		takes := strings.Join(allowed, ", ")
		w.Header().Set("Allow", takes)
		writeProblem(w, &api.Problem{Code: "method_not_allowed", Description: "this path accepts " + takes, Status: http.StatusMethodNotAllowed})
	}
}

// onlyClean rejects paths with empty elements or .. in them, which the mux would redirect.
func onlyClean(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if address := r.URL.EscapedPath(); path.Clean(address) != strings.TrimSuffix(address, "/") {
			noSuchPath(w)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func noSuchPath(w http.ResponseWriter) {
	writeProblem(w, &api.Problem{
		Code: "not_found", Description: "no such path: the operations are listed at /v1/openapi.json", Status: http.StatusNotFound,
	})
}

func writeProblem(w http.ResponseWriter, p *api.Problem) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // the client has gone
}

// Redirected returns r with another path, escaped, and the same query.
func Redirected(r *http.Request, escaped string) *http.Request {
	plain, err := url.PathUnescape(escaped)
	if err != nil {
		return r
	}
	r = r.WithContext(r.Context()) // a copy: the original belongs to the caller
	r.URL = &url.URL{Path: plain, RawPath: escaped, RawQuery: r.URL.RawQuery}
	return r
}
