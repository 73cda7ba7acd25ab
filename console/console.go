package console

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/muster-iot/muster/accounts"
	"github.com/muster-iot/muster/audit"
	"github.com/muster-iot/muster/event"
	"github.com/muster-iot/muster/filter"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/history"
	"github.com/muster-iot/muster/job"
	"github.com/muster-iot/muster/notify"
	"github.com/muster-iot/muster/ota/rehearsal"
	"github.com/muster-iot/muster/ota/release"
	"github.com/muster-iot/muster/ota/remaining"
	"github.com/muster-iot/muster/ota/rollout"
	"github.com/muster-iot/muster/quota"
	"github.com/muster-iot/muster/registry"
	"github.com/muster-iot/muster/sse"
)

// Config is what New needs. Zero values of the first fields take the defaults.
type Config struct {
	MQTT     string        // address plain MQTT listens on, for the commands to copy; "" shows port 1883
	MaxImage int64         // bytes of an uploaded image; default 64 MiB
	Session  time.Duration // a sign-in lasts; default 12 h

	Accounts *accounts.Accounts
	Registry *registry.Registry
	Audit    *audit.Log
	Releases *release.Service
	Rollouts *rollout.Service
	History  *history.History

	Rehearsals *rehearsal.Service
	Live       Live
	Quotas     *quota.Quotas // nil: no team has any
	Notify     *notify.Service
	Log        *slog.Logger

	Remaining *remaining.Service

	Jobs    *job.Service
	Filters *filter.Service
}

// Live is what happens in the server right now. It hides the connections.
type Live interface {
	// Listen returns the events of a team from now on. The channel is closed when the server
	// shuts down; leave must be called exactly once.
	Listen(team fleet.TeamID) (events <-chan event.Event, leave func())
}

// Limits of what a browser sends.
const (
	maxForm       = 1 << 20          // bytes, without a file
	maxOpenForm   = 8 << 10          // bytes, of pages without a sign-in
	formTimeout   = 30 * time.Second // for a whole form
	uploadTimeout = 15 * time.Minute // for a whole image
)

// Console serves the pages. It is safe for concurrent use and keeps no goroutine.
type Console struct {
	config    Config
	accounts  *accounts.Accounts
	registry  *registry.Registry
	audit     *audit.Log
	releases  *release.Service
	rollouts  *rollout.Service
	remaining *remaining.Service
	live      Live
	log       *slog.Logger
	history   *history.History

	rehearsals *rehearsal.Service

	jobs    *job.Service
	filters *filter.Service
	streams *sse.Open
	quotas  *quota.Quotas
	kept    *kept
	handler http.Handler
}

// New returns the pages over the operations of config.
func New(config Config) *Console {
	if config.MaxImage == 0 {
		config.MaxImage = 64 << 20
	}
	if config.Session == 0 {
		config.Session = 12 * time.Hour
	}
	if config.Quotas == nil {
		config.Quotas = new(quota.Quotas)
	}
	c := &Console{
		config: config, accounts: config.Accounts, registry: config.Registry, audit: config.Audit, releases: config.Releases, rollouts: config.Rollouts, remaining: config.Remaining, history: config.History, rehearsals: config.Rehearsals, live: config.Live, log: config.Log,
		jobs: config.Jobs, filters: config.Filters, quotas: config.Quotas, streams: sse.NewOpen(maxSessionStreams), kept: newKept(),
	}
	pages() // a template that is wrong ends the start, not a request
	c.handler = secured(compressed(http.NewCrossOriginProtection().Handler(c.routes())))
	return c
}

// ServeHTTP serves one request.
func (c *Console) ServeHTTP(w http.ResponseWriter, r *http.Request) { c.handler.ServeHTTP(w, r) }
