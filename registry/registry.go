package registry

import (
	"errors"
	"log/slog"
	"time"

	"github.com/muster-iot/muster/audit"
	"github.com/muster-iot/muster/fleet"
)

// Config is what a Registry works with, and its limits. Zero limits take the defaults.
type Config struct {
	TokenLifetime   time.Duration // of a token that asks for no other; default 90 days
	CommandLifetime time.Duration // of a command that asks for no other; default 7 days
	Hashers         int           // passwords hashed at the same time, 19 MiB each; default 2
	HashQueue       int           // sign-ins that wait for a hasher; default 32
	HashMemory      uint32        // KiB of one hash; default 19,456; tests lower it

	Devices  Devices
	Index    Index
	Catalogs Catalogs
	Teams    Teams
	Messages Messages
	Images   Images  // they go with their product; nil: they are kept elsewhere
	Journal  Journal // of batches under way; nil: a crash leaves them half done
	Forecast Forecast
	Live     Live
	Audit    *audit.Log
	Log      *slog.Logger
}

func (c Config) withDefaults() Config {
	if c.TokenLifetime <= 0 {
		c.TokenLifetime = 90 * 24 * time.Hour
	}
	if c.CommandLifetime <= 0 {
		c.CommandLifetime = 7 * 24 * time.Hour
	}
	if c.Hashers <= 0 {
		c.Hashers = 2
	}
	if c.HashQueue <= 0 {
		c.HashQueue = 32
	}
	if c.HashMemory == 0 {
		c.HashMemory = 19 << 10
	}
	return c
}

// Registry is the room's one type. It is safe for concurrent use and keeps no goroutine.
// Every function that takes an actor asks fleet.May; its errors are fleet.NotFound for
// what the actor can't see, fleet.Denied for what they may not, and fleet.Unavailable
// when the store does not answer.
type Registry struct {
	config   Config
	devices  Devices
	index    Index
	catalogs Catalogs
	teams    Teams
	inbox    Messages
	forecast Forecast
	live     Live
	audit    *audit.Log
	log      *slog.Logger

	hasher *hasher
	proofs *limiter
}

// New makes a Registry.
func New(config Config) *Registry {
	config = config.withDefaults()
	return &Registry{
		config: config, devices: config.Devices, index: config.Index, catalogs: config.Catalogs, teams: config.Teams, inbox: config.Messages,
		forecast: config.Forecast, live: config.Live, audit: config.Audit, log: config.Log,
		hasher: newHasher(config), proofs: newLimiter(),
	}
}

// maxNamed bounds the devices an audit entry names, where their count is always told, and
// the errors a batch does.
const maxNamed = 100

func some[T any](all []T) []T { return all[:min(len(all), maxNamed)] }

// may asks fleet.May about something of the actor's own team that is no device.
func may(actor fleet.Actor, action fleet.Action) error {
	return fleet.May(actor, action, fleet.Object{Team: actor.Team})
}

// hidden makes an absence look like what the actor can't see.
func hidden(err error, format string, args ...any) error {
	if errors.Is(err, fleet.NotFound) {
		return fleet.Errorf(fleet.NotFound, format, args...)
	}
	return err
}
