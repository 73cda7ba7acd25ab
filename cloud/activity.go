package cloud

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/handshake"
	"github.com/muster-iot/muster/ota"
	"github.com/muster-iot/muster/store"
	"github.com/muster-iot/muster/wire"
)

// activity publishes what happens to devices: as events to those who listen, as counts per
// product, as messages and alerts in the store. It is safe for concurrent use.
type activity struct {
	ota      *ota.Service
	messages *store.Messages
	events   *events
	tallies  *tallies
	log      *slog.Logger
}

// publish passes e to everyone who listens to its team. It never blocks.
func (a *activity) publish(e fleet.Event) {
	a.log.Debug("event", "event", e.Name(), "device", e.Device, "product", e.Product)
	a.events.publish(e)
}

// handshake publishes and counts a handshake of d, and what it changed.
func (a *activity) handshake(ctx context.Context, d *fleet.Device, ended []fleet.Update) {
	a.publish(fleet.Event{Payload: fleet.HandshakeDone{}, Team: d.Team, Product: d.Product, Device: d.ID, At: time.Now()})
	a.tallies.handshake(d.Product)
	a.updates(ctx, d, ended)
}

// updates publishes and counts how d's updates stand after a decision or a report: those that
// ended now, and the running one. It raises alerts for what a person should look at.
func (a *activity) updates(ctx context.Context, d *fleet.Device, ended []fleet.Update) {
	for _, u := range ended {
		a.update(d, u)
		a.tallies.ended(d.Product, u)
	}
	if d.Update.State.Running() {
		a.update(d, d.Update)
	}
	for _, u := range ended {
		if u.State == fleet.RolledBack {
			a.raise(ctx, d, "rolled_back", "version "+u.To.String()+" did not stay: it came back with "+d.Running.String())
		}
		if (u.State == fleet.RolledBack || u.State == fleet.Failed) && d.Attempts.Target.Equal(u.To) && a.ota.Exhausted(d) {
			a.raise(ctx, d, "update_exhausted", "all attempts at version "+u.To.String()+" failed, the last: "+wire.ReasonText(u.Reason))
		}
	}
}

// flashStatus is Particle's word for the state of an update.
var flashStatus = map[fleet.UpdateState]fleet.FlashStatus{
	fleet.Offered: fleet.FlashStarted, fleet.Stored: fleet.FlashSuccess, fleet.Failed: fleet.FlashFailed, fleet.RolledBack: fleet.FlashFailed,
}

// update publishes how one update of d stands.
func (a *activity) update(d *fleet.Device, u fleet.Update) {
	publish := func(p fleet.Payload) {
		a.publish(fleet.Event{Payload: p, Team: d.Team, Product: d.Product, Device: d.ID, At: time.Now()})
	}
	if u.State == fleet.Offered {
		publish(fleet.StatusChanged{Status: fleet.StatusAutoUpdate})
	}
	if status, ok := flashStatus[u.State]; ok {
		publish(fleet.FlashChanged{Status: status})
	}
	publish(fleet.UpdateChanged{Update: u})
}

// unreadable raises an alert because the image of d's update can't be read.
func (a *activity) unreadable(ctx context.Context, d *fleet.Device, cause error) {
	a.log.Error("an image can't be read", "product", d.Product, "version", d.Update.To, "err", cause)
	a.raise(ctx, d, "image_unreadable", "version "+d.Update.To.String()+" can't be sent to this device, nor to others: its image can't be read; the log says why")
}

// guessed raises an alert about a guess at the secrets of a team's devices.
func (a *activity) guessed(ctx context.Context, g handshake.Guess) {
	ids := make([]string, len(g.Devices))
	for i, id := range g.Devices {
		ids[i] = string(id)
	}
	a.raise(ctx, &g.Device, "secret_guessed", "many failed proofs from "+g.Address+" for "+strings.Join(ids, ", ")+
		": somebody guesses secrets, or these devices have wrong ones")
}

// raise raises an alert of Muster's own; an error is logged.
func (a *activity) raise(ctx context.Context, d *fleet.Device, name, text string) {
	a.raiseFor(ctx, d.Team, d.ID, name, text)
}

// raiseFor is raise, without a record of the device.
func (a *activity) raiseFor(ctx context.Context, team fleet.TeamID, id fleet.DeviceID, name, text string) {
	if err := a.alert(ctx, fleet.Alert{Team: team, Device: id, Name: name, Text: text, Raised: time.Now()}); err != nil {
		a.log.Log(ctx, levelOf(err), "alert not raised", "team", team, "device", id, "alert", name, "err", err)
	}
}

// alert stores and publishes an alert.
func (a *activity) alert(ctx context.Context, alert fleet.Alert) error {
	if _, err := a.messages.Raise(ctx, alert); err != nil {
		return err
	}
	a.publish(fleet.Event{Payload: fleet.AlertRaised{Type: alert.Type, Alert: alert.Name, Text: alert.Text, Value: alert.Value}, Team: alert.Team, Device: alert.Device, At: alert.Raised})
	return nil
}

// message stores and publishes a message of a device.
func (a *activity) message(ctx context.Context, m fleet.Message) error {
	if _, err := a.messages.Append(ctx, m); err != nil {
		return err
	}
	a.publish(fleet.Event{Payload: fleet.MessageReceived{Topic: m.Topic, Size: len(m.Payload)}, Team: m.Team, Device: m.Device, At: m.Received})
	return nil
}

// commandDone stores and publishes the result of a command. It returns fleet.NotFound for a
// number without a pending command.
func (a *activity) commandDone(ctx context.Context, team fleet.TeamID, id fleet.DeviceID, number uint32, result []byte) error {
	if err := a.messages.Finish(ctx, id, number, result); err != nil {
		return err
	}
	a.publish(fleet.Event{Payload: fleet.CommandChanged{Number: number}, Team: team, Device: id, At: time.Now()})
	return nil
}
