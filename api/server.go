package api

import (
	"crypto/rand"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/url"
	pathpkg "path"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/muster-iot/muster/sse"
)

// Config is what New takes beside its collaborators.
type Config struct {
	Version   string        // of Muster, for GET /v1/version and the OpenAPI document
	MaxImage  int64         // bytes of the largest firmware image taken; 0: 64 MiB
	MQTT      string        // the MQTT endpoint GET /v1/account names, "host:port"
	Heartbeat time.Duration // between signs of life of an event stream; 0: sse.Heartbeat
	Spool     string        // folder for uploads under way; "": the system's temporary one
}

// server is the API: what it was given, and the operations registered so far.
type server struct {
	Registry
	ota     OTA
	events  Events
	kept    Repeats
	process string // names this server among those that keep answers in the same place
	streams *sse.Open
	config  Config
	log     *slog.Logger
	huma    huma.API
	routes  []route
}

// New makes the handler of everything below /v1 and of /oauth/token. The handler may be
// used concurrently; it owns no goroutine. Bodies are bounded here, in size and in time
// (bodyTimeout); headers are not: put a ReadHeaderTimeout on the http.Server.
func New(config Config, registry Registry, ota OTA, events Events, repeats Repeats, log *slog.Logger) http.Handler {
	handler, _ := build(config, registry, ota, events, repeats, log)
	return handler
}

func build(config Config, registry Registry, ota OTA, events Events, repeats Repeats, log *slog.Logger) (http.Handler, *server) {
	if config.MaxImage == 0 {
		config.MaxImage = 64 << 20
	}
	mux := http.NewServeMux()
	s := &server{Registry: registry, ota: ota, events: events, kept: repeats, process: rand.Text(), streams: sse.NewOpen(0), config: config, log: log, huma: humago.New(mux, document(config.Version))}
	s.session()
	s.tokens()
	s.teams()
	s.users()
	s.invitations()
	s.productTeam()
	s.products()
	s.productDevices()
	s.imports()
	s.teamDevices()
	s.groups()
	s.firmware()
	s.uploads()
	s.releases()
	s.updates()
	s.messages()
	s.alerts()
	s.eventStreams()
	s.system()
	s.reference()
	return ofAllDevices(jsonErrors(mux)), s
}

func document(version string) huma.Config {
	config := huma.DefaultConfig("Muster", version)
	config.OpenAPIPath = "/v1/openapi"
	config.DocsPath = ""    // huma's page loads scripts from a CDN
	config.SchemasPath = "" // schemas are in the document
	config.CreateHooks = nil
	config.FieldsOptionalByDefault = true
	config.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"bearer": {Type: "http", Scheme: "bearer", Description: "A token of POST /oauth/token"},
	}
	return config
}

// jsonErrors answers in JSON where the mux itself would answer in text. A path with .. in
// it, which the mux would send elsewhere, is no path.
func jsonErrors(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handler, pattern := mux.Handler(r)
		if pattern != "" && clean(r.URL.EscapedPath()) {
			mux.ServeHTTP(w, r)
			return
		}
		probe := &statusProbe{header: w.Header()}
		handler.ServeHTTP(probe, r)
		p := &Problem{Code: "not_found", Description: "no such path: the operations are listed at /v1/openapi.json", status: http.StatusNotFound}
		if probe.status == http.StatusMethodNotAllowed {
			p = &Problem{Code: "method_not_allowed", Description: "this path takes " + w.Header().Get("Allow"), status: probe.status}
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(p.status)
		_ = json.NewEncoder(w).Encode(p) // the client is gone: nobody to tell
	})
}

// ofAllDevices spells out GET /v1/devices/events/{prefix}, as Particle's clients have it. The
// router can't know it beside /v1/devices/{device}/events.
func ofAllDevices(next http.Handler) http.Handler {
	const short, long = "/v1/devices/" + allDevices + "/", "/v1/devices/" + allDevices + "/events/"
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rest, ok := strings.CutPrefix(r.URL.EscapedPath(), short)
		prefix, err := url.PathUnescape(rest)
		if ok && err == nil && rest != "" && !strings.Contains(rest, "/") {
			r = r.WithContext(r.Context()) // a copy: this one is not ours to change
			r.URL = &url.URL{Path: long + prefix, RawPath: long + rest, RawQuery: r.URL.RawQuery}
		}
		next.ServeHTTP(w, r)
	})
}

// clean reports whether a path names each of its steps once.
func clean(address string) bool {
	return pathpkg.Clean(address) == strings.TrimSuffix(address, "/")
}

// statusProbe keeps an answer's status and headers and drops its body.
type statusProbe struct {
	header http.Header
	status int
}

func (p *statusProbe) Header() http.Header         { return p.header }
func (p *statusProbe) WriteHeader(status int)      { p.status = status }
func (p *statusProbe) Write(b []byte) (int, error) { return len(b), nil }
