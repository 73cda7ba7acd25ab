package console

import (
	"log/slog"
	"net/http"
	"time"
)

// Config is what the pages need to know. Zero fields take the defaults.
type Config struct {
	MQTT     string        // address plain MQTT listens on, for the commands to copy; "" says port 1883
	MaxImage int64         // bytes of an uploaded image; default 64 MiB
	Session  time.Duration // a sign-in lasts; default 12 h
}

// Limits of what a browser sends.
const (
	maxForm       = 1 << 20          // bytes; a list of ids to import is the longest
	formTimeout   = 30 * time.Second // for a whole form
	uploadTimeout = 15 * time.Minute // for a whole image
)

// Console serves the pages. It is safe for concurrent use and keeps no goroutine.
type Console struct {
	config   Config
	registry Registry
	ota      OTA
	live     Live
	log      *slog.Logger
	past     *past
	streams  *streams
	handler  http.Handler
}

// New makes the pages over what registry and ota do for operators, and what live tells.
func New(config Config, registry Registry, ota OTA, live Live, log *slog.Logger) *Console {
	if config.MaxImage == 0 {
		config.MaxImage = 64 << 20
	}
	if config.Session == 0 {
		config.Session = 12 * time.Hour
	}
	c := &Console{config: config, registry: registry, ota: ota, live: live, log: log, past: newPast(), streams: newStreams()}
	c.handler = secured(http.NewCrossOriginProtection().Handler(c.routes()))
	return c
}

// ServeHTTP serves one request.
func (c *Console) ServeHTTP(w http.ResponseWriter, r *http.Request) { c.handler.ServeHTTP(w, r) }

// routes is every page and every form. Names that operators choose are never the last
// part of a path that has other words there: a device may be called "import".
func (c *Console) routes() *http.ServeMux {
	mux := http.NewServeMux()
	mux.Handle("GET /static/", static())
	mux.HandleFunc("GET /sign-in", c.open((*visit).signInPage))
	mux.HandleFunc("POST /sign-in", c.open((*visit).signIn))
	mux.HandleFunc("/", c.member((*visit).nowhere))
	for pattern, h := range map[string]func(*visit) error{
		"GET /{$}":                 (*visit).home,
		"POST /sign-out":           (*visit).signOut,
		"GET /products":            (*visit).productsPage,
		"POST /products":           (*visit).createProduct,
		"GET /messages":            (*visit).messagesPage,
		"GET /alerts":              (*visit).alertsPage,
		"GET /events":              (*visit).eventsPage,
		"GET /events/stream":       (*visit).eventsStream,
		"GET /live":                (*visit).hintsStream,
		"POST /alerts":             (*visit).archiveAlert,
		"GET /team":                (*visit).teamPage,
		"POST /team/members":       (*visit).addMember,
		"POST /team/member":        (*visit).editMember,
		"POST /team/tokens":        (*visit).newToken,
		"POST /team/tokens/revoke": (*visit).revokeToken,
		"GET /team/switch":         (*visit).switchPage,
		"GET /devices/{id}":        (*visit).findDevice,
	} {
		mux.HandleFunc(pattern, c.member(h))
	}
	for pattern, h := range map[string]func(*visit) error{
		"GET /p/{product}/devices":                     (*visit).devicesPage,
		"POST /p/{product}/devices/groups":             (*visit).editGroupsPage,
		"POST /p/{product}/devices/groups/impact":      (*visit).editGroupsImpact,
		"POST /p/{product}/devices/groups/save":        (*visit).editGroups,
		"GET /p/{product}/devices/import":              (*visit).importPage,
		"POST /p/{product}/devices/import":             (*visit).importDevices,
		"GET /p/{product}/device/{id}":                 (*visit).devicePage,
		"GET /p/{product}/device/{id}/live":            (*visit).deviceLive,
		"POST /p/{product}/device/{id}":                (*visit).editDevice,
		"POST /p/{product}/device/{id}/impact":         (*visit).editDeviceImpact,
		"GET /p/{product}/groups":                      (*visit).groupsPage,
		"POST /p/{product}/groups":                     (*visit).createGroup,
		"GET /p/{product}/group":                       (*visit).groupPage,
		"POST /p/{product}/group":                      (*visit).editGroup,
		"GET /p/{product}/firmware":                    (*visit).firmwarePage,
		"GET /p/{product}/upload":                      (*visit).uploadPage,
		"GET /p/{product}/firmware/{version}":          (*visit).versionPage,
		"GET /p/{product}/firmware/{version}/live":     (*visit).versionLive,
		"POST /p/{product}/firmware/{version}":         (*visit).editFirmware,
		"GET /p/{product}/firmware/{version}/image":    (*visit).image,
		"GET /p/{product}/firmware/{version}/release":  (*visit).releasePage,
		"GET /p/{product}/firmware/{version}/confirm":  (*visit).confirmPage,
		"POST /p/{product}/firmware/{version}/release": (*visit).release,
		"POST /p/{product}/firmware/{version}/stop":    (*visit).stopVersion,
		"GET /p/{product}/fleet":                       (*visit).fleetPage,
		"GET /p/{product}/fleet/live":                  (*visit).fleetLive,
		"GET /p/{product}/fleet/history":               (*visit).fleetHistory,
		"POST /p/{product}/stop":                       (*visit).stopUpdates,
	} {
		mux.HandleFunc(pattern, c.inProduct(h))
	}
	mux.HandleFunc("POST /p/{product}/upload", c.uploading((*visit).upload))
	return mux
}
