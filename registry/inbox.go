package registry

import (
	"context"
	"errors"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/muster-iot/muster/audit"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

// maxCommandLifetime bounds how long a command waits.
const maxCommandLifetime = 30 * 24 * time.Hour

// Messages lists what the team's devices sent, whatever their groups.
func (r *Registry) Messages(ctx context.Context, actor fleet.Actor, q fleet.MessageQuery) ([]fleet.Message, string, error) {
	if err := may(actor, fleet.SeeMessages); err != nil {
		return nil, "", err
	}
	q.Team = actor.Team
	return r.inbox.List(ctx, q)
}

// Alerts lists the team's alerts, whatever the groups of their devices.
func (r *Registry) Alerts(ctx context.Context, actor fleet.Actor, q fleet.AlertQuery) ([]fleet.Alert, string, error) {
	if err := may(actor, fleet.SeeMessages); err != nil {
		return nil, "", err
	}
	return r.inbox.Alerts(ctx, actor.Team, q.Device, q.Archived, q.After, q.Limit)
}

// ArchiveAlert puts an alert away, or makes it active again. An alert is seen by all of
// the team; putting it away takes the right to operate its device.
func (r *Registry) ArchiveAlert(ctx context.Context, actor fleet.Actor, id string, archived bool) error {
	if err := may(actor, fleet.SeeMessages); err != nil {
		return err
	}
	a, err := r.inbox.Alert(ctx, actor.Team, id)
	if err != nil {
		return hidden(err, "no such alert: %.80s", id)
	}
	if err := r.mayArchive(ctx, actor, a); err != nil {
		return err
	}
	if err := r.inbox.ArchiveAlert(ctx, actor.Team, id, archived); err != nil {
		return hidden(err, "no such alert: %.80s", id)
	}
	r.audit.Record(ctx, actor, "alert.archive", id, audit.Fields{"archived": a.Archived}, audit.Fields{"archived": archived})
	r.live.Announce(fleet.Event{Payload: fleet.AlertArchived{Archived: archived}, Team: actor.Team, Device: a.Device, At: time.Now()})
	return nil
}

func (r *Registry) mayArchive(ctx context.Context, actor fleet.Actor, a fleet.Alert) error {
	if !actor.Role.Restricted() || a.Device == "" {
		return may(actor, fleet.OperateDevice)
	}
	s, err := r.look(ctx, actor, 0, a.Device)
	if errors.Is(err, fleet.NotFound) { // the alert is seen, the device is not
		return fleet.Errorf(fleet.Denied, "device %s is not yours to operate: ask an admin", a.Device)
	}
	if err != nil {
		return err
	}
	return s.may(actor, fleet.OperateDevice)
}

// Command queues a command until the device answered it or ttl is over; 0 is the default.
// It returns fleet.Busy when too many wait already.
func (r *Registry) Command(ctx context.Context, actor fleet.Actor, id fleet.DeviceID, name string, payload []byte, ttl time.Duration) (fleet.Command, error) {
	s, err := r.look(ctx, actor, 0, id)
	if err != nil {
		return fleet.Command{}, err
	}
	if err := s.may(actor, fleet.OperateDevice); err != nil {
		return fleet.Command{}, err
	}
	if err := checkCommand(name, payload, ttl); err != nil {
		return fleet.Command{}, err
	}
	if ttl <= 0 {
		ttl = r.config.CommandLifetime
	}
	now := time.Now().UTC()
	c, err := r.inbox.Queue(ctx, fleet.Command{Device: id, Name: name, Payload: payload, Queued: now, Expires: now.Add(ttl)})
	if err != nil {
		return fleet.Command{}, hidden(err, "no such device: %s", id)
	}
	r.audit.Record(ctx, actor, "device.command", string(id), nil, audit.Fields{"number": c.Number, "name": name, "bytes": len(payload)})
	r.live.Command(id)
	r.live.Announce(fleet.Event{Payload: fleet.CommandChanged{Number: c.Number}, Team: actor.Team, Device: id, At: now})
	return c, nil
}

// Commands are those that wait for a device and those it answered lately.
func (r *Registry) Commands(ctx context.Context, actor fleet.Actor, id fleet.DeviceID) ([]fleet.Command, error) {
	if _, err := r.look(ctx, actor, 0, id); err != nil {
		return nil, err
	}
	return r.inbox.Commands(ctx, id)
}

// checkCommand holds a command to what the topic down/cmd/{n}/{name} can carry.
func checkCommand(name string, payload []byte, ttl time.Duration) error {
	switch {
	case len(name) > wire.MaxName || !utf8.ValidString(name) || strings.ContainsAny(name, "+#\x00") || strings.HasPrefix(name, "/"):
		return fleet.FieldErrorf("name", "name: use up to %d bytes of UTF-8 without + and #, not beginning with /", wire.MaxName)
	case len(payload) > wire.MaxCommand:
		return &fleet.Error{Kind: fleet.TooLarge, Field: "message", Text: "a command has at most 16 KiB"}
	case ttl < 0 || ttl > maxCommandLifetime:
		return fleet.FieldErrorf("expires_in", "expires_in: use up to %d seconds", int(maxCommandLifetime/time.Second))
	}
	return nil
}
