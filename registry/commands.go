package registry

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/muster-iot/muster/audit"
	"github.com/muster-iot/muster/event"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

// maxCommandLifetime bounds how long a command waits for its device.
const maxCommandLifetime = 30 * 24 * time.Hour

// Command queues a command until the device has answered it or ttl has passed; a ttl of 0 is
// the default. It returns fleet.Busy if too many commands of the device wait already.
func (r *Registry) Command(ctx context.Context, actor fleet.Actor, id fleet.DeviceID, name string, payload []byte, ttl time.Duration) (fleet.Command, error) {
	return r.command(ctx, actor, id, fleet.Command{Name: name, Payload: payload}, ttl)
}

// CommandOnce queues a command of a job, which counts as queued at the job's own moment.
// If the device has that command already, it is not queued again.
func (r *Registry) CommandOnce(ctx context.Context, actor fleet.Actor, id fleet.DeviceID, name string, payload []byte, ttl time.Duration, queued time.Time) error {
	known, err := r.Commands(ctx, actor, id)
	if err != nil || slices.ContainsFunc(known, func(c fleet.Command) bool { return c.Name == name && c.Queued.Equal(queued) }) {
		return err
	}
	_, err = r.command(ctx, actor, id, fleet.Command{Name: name, Payload: payload, Queued: queued}, ttl)
	return err
}

func (r *Registry) command(ctx context.Context, actor fleet.Actor, id fleet.DeviceID, c fleet.Command, ttl time.Duration) (fleet.Command, error) {
	name, payload := c.Name, c.Payload
	id = id.In(actor.Team)
	d, err := r.visible(ctx, actor, 0, id)
	if err != nil {
		return fleet.Command{}, err
	}
	if err := d.may(actor, fleet.OperateDevice); err != nil {
		return fleet.Command{}, err
	}
	if err := CheckCommand(name, payload, ttl); err != nil {
		return fleet.Command{}, err
	}
	if ttl <= 0 {
		ttl = r.config.CommandLifetime
	}
	now := r.config.Clock.Now().UTC()
	if c.Queued.IsZero() {
		c.Queued = now
	}
	c.Device, c.Expires = id, now.Add(ttl)
	c, err = r.messages.Queue(ctx, c)
	if err == nil || errors.Is(err, fleet.Unavailable) { // it may be queued: whatever is gets sent
		r.live.Command(id)
	}
	if err != nil {
		return fleet.Command{}, fleet.Hide(err, "no such device: %s", id)
	}
	r.audit.RecordIn(ctx, d.device.Product, actor, "device.command", id.String(), nil, audit.Fields{"number": c.Number, "name": name, "bytes": len(payload)})
	r.live.Announce(event.Event{Payload: event.CommandChanged{Number: c.Number}, Team: actor.Team, Device: id, At: now})
	return c, nil
}

// Commands returns the commands that wait for a device and those it answered lately, oldest
// first.
func (r *Registry) Commands(ctx context.Context, actor fleet.Actor, id fleet.DeviceID) ([]fleet.Command, error) {
	id = id.In(actor.Team)
	if _, err := r.visible(ctx, actor, 0, id); err != nil {
		return nil, err
	}
	return r.messages.Commands(ctx, id)
}

// CheckCommand returns fleet.Invalid or fleet.TooLarge for a command that the topic
// down/cmd/{n}/{name} can't carry (docs/protocol.md).
func CheckCommand(name string, payload []byte, ttl time.Duration) error {
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
