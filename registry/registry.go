package registry

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"time"

	"github.com/muster-iot/muster/fleet"
)

// Config sets the limits of a Registry. Zero fields take the defaults.
type Config struct {
	TokenLifetime   time.Duration // of a token that asks for no other; default 90 days
	CommandLifetime time.Duration // of a command that asks for no other; default 7 days
	Hashers         int           // passwords hashed at the same time, 19 MiB each; default 2
	HashQueue       int           // sign-ins that wait for a hasher; default 32
	HashMemory      uint32        // KiB of one hash; default 19,456; tests lower it
	Images          Images        // they go with their product; nil: they are kept elsewhere
	Journal         Journal       // of batches under way; nil: a crash leaves them half done
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
	log      *slog.Logger

	hasher *hasher
	proofs *limiter
}

// New makes a Registry.
func New(config Config, devices Devices, index Index, catalogs Catalogs, teams Teams, messages Messages, forecast Forecast, live Live, log *slog.Logger) *Registry {
	config = config.withDefaults()
	return &Registry{
		config: config, devices: devices, index: index, catalogs: catalogs, teams: teams, inbox: messages,
		forecast: forecast, live: live, log: log,
		hasher: newHasher(config), proofs: newLimiter(),
	}
}

// fields are the values an audit entry shows.
type fields map[string]any

// Record notes a write of another room in the audit log. It never fails: see audit.
func (r *Registry) Record(ctx context.Context, actor fleet.Actor, action, object string, before, after map[string]any) {
	r.audit(ctx, actor, action, object, before, after)
}

// audit records a write that was done. It can't undo the write: when the log does not
// take the entry, the server's own log gets it.
func (r *Registry) audit(ctx context.Context, actor fleet.Actor, action, object string, before, after fields) {
	e := fleet.AuditEntry{
		Team: actor.Team, User: actor.User, Email: actor.Email, Action: action, Object: object,
		Before: before.json(), After: after.json(), At: time.Now().UTC(),
	}
	if err := r.inbox.Audit(context.WithoutCancel(ctx), e); err != nil {
		r.log.LogAttrs(ctx, slog.LevelError, "audit entry lost", slog.String("action", action), slog.String("object", object),
			slog.String("email", actor.Email), slog.Any("err", err))
	}
}

// maxNamed bounds the devices an audit entry names, where their count is always told, and
// the errors a batch does.
const maxNamed = 100

func some[T any](all []T) []T { return all[:min(len(all), maxNamed)] }

func (f fields) json() string {
	if len(f) == 0 {
		return ""
	}
	text, err := json.Marshal(f)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

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
