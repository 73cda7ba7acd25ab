package registry

import (
	"context"
	"errors"
	"time"

	"github.com/muster-iot/muster/audit"
	"github.com/muster-iot/muster/event"
	"github.com/muster-iot/muster/fleet"
)

// Messages returns a page of what the team's devices sent, whatever their groups.
func (r *Registry) Messages(ctx context.Context, actor fleet.Actor, q fleet.MessageQuery) ([]fleet.Message, string, error) {
	if err := actor.May(fleet.SeeMessages); err != nil {
		return nil, "", err
	}
	q.Team = actor.Team
	return r.messages.List(ctx, q)
}

// Alerts returns a page of the team's alerts, whatever the groups of their devices.
func (r *Registry) Alerts(ctx context.Context, actor fleet.Actor, q fleet.AlertQuery) ([]fleet.Alert, string, error) {
	if err := actor.May(fleet.SeeMessages); err != nil {
		return nil, "", err
	}
	return r.messages.Alerts(ctx, actor.Team, q.Device, q.Archived, q.After, q.Limit)
}

// Alert returns one of the team's alerts, whatever the groups of its device.
func (r *Registry) Alert(ctx context.Context, actor fleet.Actor, id string) (fleet.Alert, error) {
	if err := actor.May(fleet.SeeMessages); err != nil {
		return fleet.Alert{}, err
	}
	a, err := r.messages.Alert(ctx, actor.Team, id)
	return a, fleet.Hide(err, "no such alert: %.80s", id)
}

// ArchiveAlert archives an alert, or makes it active again. It requires the right to operate
// the alert's device.
func (r *Registry) ArchiveAlert(ctx context.Context, actor fleet.Actor, id string, archived bool) error {
	a, err := r.Alert(ctx, actor, id)
	if err != nil {
		return err
	}
	if err := r.mayArchive(ctx, actor, a); err != nil {
		return err
	}
	if err := r.messages.ArchiveAlert(ctx, actor.Team, id, archived); err != nil {
		return fleet.Hide(err, "no such alert: %.80s", id)
	}
	r.audit.Record(ctx, actor, "alert.archive", id, audit.Fields{"archived": a.Archived}, audit.Fields{"archived": archived})
	r.live.Announce(event.Event{Payload: event.AlertArchived{Archived: archived}, Team: actor.Team, Device: a.Device, At: time.Now()})
	return nil
}

func (r *Registry) mayArchive(ctx context.Context, actor fleet.Actor, a fleet.Alert) error {
	if !actor.Role.Restricted() || a.Device == "" {
		return actor.May(fleet.OperateDevice)
	}
	d, err := r.visible(ctx, actor, 0, a.Device)
	if errors.Is(err, fleet.NotFound) { // the actor sees the alert, but not the device
		return fleet.Errorf(fleet.Denied, "you may not operate device %s: ask an admin", a.Device)
	}
	if err != nil {
		return err
	}
	return d.may(actor, fleet.OperateDevice)
}
