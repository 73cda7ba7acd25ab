package rest

import (
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/muster-iot/muster/accounts"
	"github.com/muster-iot/muster/api/route"
	"github.com/muster-iot/muster/audit"
	"github.com/muster-iot/muster/event"
	"github.com/muster-iot/muster/filter"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/notify"
	"github.com/muster-iot/muster/ota/release"
	"github.com/muster-iot/muster/ota/rollout"
	"github.com/muster-iot/muster/quota"
	"github.com/muster-iot/muster/registry"
)

// Config is the settings of an API.
type Config struct {
	Version   string        // of Muster, for GET /v1/version and the OpenAPI document
	MaxImage  int64         // bytes of the largest firmware image accepted; 0: 64 MiB
	MQTT      string        // the MQTT endpoint that GET /v1/account reports, "host:port"
	Heartbeat time.Duration // between comments on an event stream; 0: sse.Heartbeat
}

// Domain is what the operations call.
type Domain struct {
	Accounts *accounts.Accounts
	Registry *registry.Registry
	Audit    *audit.Log
	Releases *release.Service
	Rollouts *rollout.Service
	Events   Events
	Repeats  route.Repeats
	Process  string                    // as in route.Config
	Alive    func(process string) bool // as in route.Config
	Quotas   *quota.Quotas             // nil: no team has any
	Notify   *notify.Service
	Filters  *filter.Service
}

// Events is where events come from.
type Events interface {
	// Listen returns a team's events from now on, until leave is called or the server ends,
	// which closes the channel.
	Listen(team fleet.TeamID) (heard <-chan event.Event, leave func())
}

// API is the operations. Its methods may be called concurrently.
type API struct {
	Domain
	Config Config
	Log    *slog.Logger
}

// New returns the API of a domain.
func New(config Config, domain Domain, log *slog.Logger) *API {
	if config.MaxImage == 0 {
		config.MaxImage = 64 << 20
	}
	if domain.Quotas == nil {
		domain.Quotas = new(quota.Quotas)
	}
	return &API{Domain: domain, Config: config, Log: log}
}

// Handler serves the API's own routes and more, below /v1 and at /oauth/token.
func (a *API) Handler(more ...[]route.Table) http.Handler {
	return route.Serve(route.Config{
		Version: a.Config.Version, Actor: a.Accounts.ActorFrom, Admit: a.Admit, Begin: a.Audit.Begin, Repeats: a.Repeats, Process: a.Process, Alive: a.Alive, Log: a.Log,
	}, slices.Concat(a.Tables(), slices.Concat(more...))...)
}

// Tables returns the routes, a table for each resource.
func (a *API) Tables() []route.Table {
	return []route.Table{
		a.session(), a.teams(), a.products(), a.devices(), a.teamDevices(), a.groups(), a.firmware(), a.releases(), a.updates(), a.alerts(), a.system(),
	}
}
