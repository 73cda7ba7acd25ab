package console

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/muster-iot/muster/console/history"
	"github.com/muster-iot/muster/sse"
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
	history  *history.History
	streams  *sse.Open
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
	c := &Console{config: config, registry: registry, ota: ota, live: live, log: log, streams: sse.NewOpen(maxSessionStreams)}
	c.history = history.New(c.sampleFleet, log)
	c.handler = secured(http.NewCrossOriginProtection().Handler(c.routes()))
	return c
}

// ServeHTTP serves one request.
func (c *Console) ServeHTTP(w http.ResponseWriter, r *http.Request) { c.handler.ServeHTTP(w, r) }
