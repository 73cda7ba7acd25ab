package session

import (
	"context"
	"time"

	"github.com/muster-iot/muster/configs"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/limit"
	"github.com/muster-iot/muster/wire"
)

var errLimited = fleet.Errorf(fleet.Busy, "too many messages at once")

// limits bound how often devices may send what (docs/protocol.md#limits). They are kept by
// device and outlive its connections: a device gains nothing by connecting again. It is safe
// for concurrent use.
type limits struct {
	hellos   *limit.Limiter[fleet.DeviceID]
	messages *limit.Limiter[fleet.DeviceID] // everything but Hello and Want
	gateways *limit.Limiter[fleet.DeviceID] // everything that a gateway relays, by the gateway
	teams    *limit.Limiter[fleet.TeamID]   // everything but Hello and Want of all devices of a team; nil: no limit
	rivals   *limit.Limiter[fleet.DeviceID] // alerts

	overQuota *limit.Limiter[fleet.TeamID] // alerts
	recent    limit.Recent[fleet.TeamID]   // everything but Hello and Want
}

const (
	teamBurst = 5 * time.Second // of a team's messages at once
	maxTeams  = 100_000         // remembered
)

// newLimits returns limits that cover about as many devices as may be connected.
func newLimits(c configs.MQTT) *limits {
	most := max(10_000, 2*c.MaxConnections)
	l := &limits{
		hellos:   limit.New[fleet.DeviceID](wire.HelloBurst, wire.HelloInterval, most),
		messages: limit.New[fleet.DeviceID](wire.MessageBurst, wire.MessageInterval, most),
		gateways: limit.New[fleet.DeviceID](wire.GatewayBurst, wire.GatewayInterval, most),
		rivals:   limit.New[fleet.DeviceID](1, time.Hour, 10_000),

		overQuota: limit.New[fleet.TeamID](1, time.Hour, 10_000),
	}
	if c.TeamMessages > 0 {
		every := time.Second / time.Duration(c.TeamMessages)
		l.teams = limit.New[fleet.TeamID](int(teamBurst/every), every, maxTeams)
	}
	return l
}

// longestWait is how long the reader of a connection waits for a shared limit: a device's
// ping is answered late meanwhile.
const longestWait = 5 * time.Second

// wait waits until key has an event left in l. It returns errLimited when that takes longer
// than longestWait.
func wait[K comparable](ctx context.Context, l *limit.Limiter[K], key K) error {
	pause, ok := l.Reserve(key, longestWait)
	if !ok {
		return errLimited
	}
	if pause == 0 {
		return nil
	}
	over := time.NewTimer(pause)
	defer over.Stop()
	select {
	case <-over.C:
		return nil
	case <-ctx.Done():
		return fleet.Errorf(fleet.Unavailable, "stopping: %w", ctx.Err())
	}
}

// Rival implements broker.Session.
func (s *session) Rival(address string) {
	if !s.sessions.limits.rivals.Take(s.ID()) {
		return
	}
	s.sessions.log.Warn("connections of one device keep ending each other", "device", s.ID(), "address", s.address, "other", address)
	s.sessions.activity.RaiseFor(s.sessions.base, s.device.Team(), s.ID(), "duplicate_id",
		"connections from "+both(s.address, address)+" keep ending each other: two units use this device's id and secret, or it restarts again and again; both are slowed down")
}

// both names two addresses, which may be one.
func both(a, b string) string {
	if a == b {
		return a + " alone"
	}
	return a + " and " + b
}
