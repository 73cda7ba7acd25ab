package activity

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/muster-iot/muster/event"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/handshake"
	"github.com/muster-iot/muster/store"
	"github.com/muster-iot/muster/wire"
)

// Config is what an Activity works with.
type Config struct {
	Messages  *store.Messages
	Teams     *store.Teams
	Exhausted func(*fleet.Device) bool // reports whether a device makes no further attempt at its target
	Log       *slog.Logger

	// Greeted is called after each handshake; confirmed: it confirmed an update. Alerted is called
	// for each alert that a device raises itself. Neither may block; nil: nothing is to do.
	Greeted func(d *fleet.Device, confirmed bool)
	Alerted func(fleet.DeviceID)

	// Published is called for each event that Publish passes on, and Listening when somebody begins to listen to a team, with
	// left called at the end. Neither may block; nil: nothing is to do.
	Published func(event.Event)
	Listening func(fleet.TeamID) (left func())

	// Raised is called after an alert of a team was stored, Ended for each update that ended. Neither may
	// block; nil: nothing is to do.
	Raised func(fleet.TeamID)
	Ended  func(*fleet.Device, fleet.Update)
}

// Activity publishes what happens to devices: as events to those who listen, as counts per
// product, as messages and alerts in the store. It is safe for concurrent use.
type Activity struct {
	Config

	events  *events
	tallies *tallies
}

// New returns an Activity without listeners, which counts from now on.
func New(config Config) *Activity {
	if config.Greeted == nil {
		config.Greeted = func(*fleet.Device, bool) {}
	}
	if config.Alerted == nil {
		config.Alerted = func(fleet.DeviceID) {}
	}
	if config.Published == nil {
		config.Published = func(event.Event) {}
	}
	if config.Listening == nil {
		config.Listening = func(fleet.TeamID) func() { return func() {} }
	}
	if config.Raised == nil {
		config.Raised = func(fleet.TeamID) {}
	}
	if config.Ended == nil {
		config.Ended = func(*fleet.Device, fleet.Update) {}
	}
	return &Activity{Config: config, events: newEvents(), tallies: newTallies()}
}

// Listen returns the events of a team from now on. The channel is closed by Close. The caller
// has to call leave, once. Listen never blocks; a listener that can't follow receives
// event.Missed in place of what it misses.
func (a *Activity) Listen(team fleet.TeamID) (heard <-chan event.Event, leave func()) {
	heard, forget := a.events.listen(team)
	left := a.Listening(team)
	return heard, func() {
		forget()
		left()
	}
}

// Listeners returns how many listen now.
func (a *Activity) Listeners() int { return a.events.count() }

// Close ends what listeners hear; later ones hear nothing.
func (a *Activity) Close() { a.events.close() }

// Tally returns what was counted since the server started: of a product, or of its devices in a group
// if group is not 0. It checks no rights and never blocks.
func (a *Activity) Tally(product fleet.ProductID, group fleet.GroupID) fleet.Tally {
	return a.tallies.read(product, group)
}

// Publish passes e to everyone who listens to its team. It never blocks.
func (a *Activity) Publish(e event.Event) {
	if a.Log.Enabled(context.Background(), slog.LevelDebug) { // without the allocations of its arguments
		a.Log.Debug("event", "event", e.Name(), "device", e.Device, "product", e.Product)
	}
	a.events.publish(e)
	a.Published(e)
}

// Hear passes an event of another server to everyone who listens to its team. It never blocks.
func (a *Activity) Hear(e event.Event) { a.events.publish(e) }

// Handshake publishes and counts a handshake of d, and what it changed.
func (a *Activity) Handshake(ctx context.Context, d *fleet.Device, ended []fleet.Update) {
	a.Publish(event.Event{Payload: event.HandshakeDone{}, Team: d.Team, Product: d.Product, Device: d.ID, At: time.Now()})
	a.tallies.handshake(d)
	a.Greeted(d, slices.ContainsFunc(ended, func(u fleet.Update) bool { return u.State == fleet.Confirmed }))
	a.Updates(ctx, d, ended)
}

// Updates publishes and counts how d's updates stand after a decision or a report: those that
// ended now, and the running one. It raises alerts for what a person should look at.
func (a *Activity) Updates(ctx context.Context, d *fleet.Device, ended []fleet.Update) {
	for _, u := range ended {
		a.update(d, u)
		a.tallies.ended(d, u)
		a.Ended(d, u)
	}
	if d.Update.State.Running() {
		a.update(d, d.Update)
	}
	for _, u := range ended {
		if u.State == fleet.RolledBack {
			a.Raise(ctx, d, "rolled_back", "version "+u.To.String()+" did not stay: it came back with "+d.Running.String())
		}
		if (u.State == fleet.RolledBack || u.State == fleet.Failed) && d.Attempts.Target.Equal(u.Target()) && a.Exhausted(d) {
			a.Raise(ctx, d, "update_exhausted", "all attempts at version "+u.Target().String()+" failed, the last: "+wire.ReasonText(u.Reason))
		}
	}
}

// NoWay raises an alert because no uploaded versions lead to d's target; why names what is missing.
func (a *Activity) NoWay(ctx context.Context, d *fleet.Device, why string) {
	a.Raise(ctx, d, "no_way", why)
}

// flashStatus is Particle's word for the state of an update.
var flashStatus = map[fleet.UpdateState]event.FlashStatus{
	fleet.Offered: event.FlashStarted, fleet.Stored: event.FlashSuccess, fleet.Failed: event.FlashFailed, fleet.RolledBack: event.FlashFailed,
}

// update publishes how one update of d stands.
func (a *Activity) update(d *fleet.Device, u fleet.Update) {
	publish := func(p event.Payload) {
		a.Publish(event.Event{Payload: p, Team: d.Team, Product: d.Product, Device: d.ID, At: time.Now()})
	}
	if u.State == fleet.Offered {
		publish(event.StatusChanged{Status: event.StatusAutoUpdate})
	}
	if status, ok := flashStatus[u.State]; ok {
		publish(event.FlashChanged{Status: status})
	}
	publish(event.UpdateChanged{Update: u})
}

// Unreadable raises an alert because the image of d's update can't be read.
func (a *Activity) Unreadable(ctx context.Context, d *fleet.Device, cause error) {
	a.Log.Error("an image can't be read", "product", d.Product, "version", d.Update.To, "err", cause)
	a.Raise(ctx, d, "image_unreadable", "version "+d.Update.To.String()+" can't be sent to this device, nor to others: its image can't be read; the log says why")
}

// Guessed raises an alert about a guess at the secrets of a team's devices.
func (a *Activity) Guessed(ctx context.Context, g handshake.Guess) {
	ids := make([]string, len(g.Devices))
	for i, id := range g.Devices {
		ids[i] = id.String()
	}
	a.Raise(ctx, &g.Device, "secret_guessed", "many failed proofs from "+g.Address+" for "+strings.Join(ids, ", ")+
		": somebody guesses secrets, or these devices have wrong ones")
}

// Raise raises an alert of Muster's own; an error is logged.
func (a *Activity) Raise(ctx context.Context, d *fleet.Device, name, text string) {
	a.RaiseFor(ctx, d.Team, d.ID, name, text)
}

// RaiseFor is raise, without a record of the device.
func (a *Activity) RaiseFor(ctx context.Context, team fleet.TeamID, id fleet.DeviceID, name, text string) {
	if err := a.Alert(ctx, fleet.Alert{Team: team, Device: id, Name: name, Text: text, Raised: time.Now()}); err != nil {
		a.Log.Log(ctx, LevelOf(err), "alert not raised", "team", team, "device", id, "alert", name, "err", err)
	}
}

// Alert stores and publishes an alert.
func (a *Activity) Alert(ctx context.Context, alert fleet.Alert) error {
	if _, err := a.Messages.Raise(ctx, alert); err != nil {
		return err
	}
	a.Raised(alert.Team)
	if alert.Name == "" {
		a.Alerted(alert.Device)
	}
	a.Publish(event.Event{Payload: event.AlertRaised{Type: alert.Type, Alert: alert.Name, Text: alert.Text, Value: alert.Value}, Team: alert.Team, Device: alert.Device, At: alert.Raised})
	return nil
}

// Message stores and publishes a message of a device.
func (a *Activity) Message(ctx context.Context, m fleet.Message) error {
	if _, err := a.Messages.Append(ctx, m); err != nil {
		return err
	}
	a.Publish(event.Event{Payload: event.MessageReceived{Topic: m.Topic, Size: len(m.Payload)}, Team: m.Team, Device: m.Device, At: m.Received})
	return nil
}

// CommandDone stores and publishes the result of a command. It returns fleet.NotFound for a
// number without a pending command.
func (a *Activity) CommandDone(ctx context.Context, team fleet.TeamID, id fleet.DeviceID, number uint32, result []byte) error {
	if err := a.Messages.Finish(ctx, id, number, result); err != nil {
		return err
	}
	a.Publish(event.Event{Payload: event.CommandChanged{Number: number}, Team: team, Device: id, At: time.Now()})
	return nil
}

// RaiseInAllTeams raises an alert that concerns the whole installation; errors are logged.
func (a *Activity) RaiseInAllTeams(ctx context.Context, name, text string) {
	ids, err := a.Teams.AllTeams(ctx)
	if err != nil {
		a.Log.Warn("alert not raised", "alert", name, "err", err)
	}
	for _, team := range ids {
		a.RaiseFor(ctx, team, "", name, text)
	}
}

// LevelOf is the level to log an error at that concerns one device or request. The store logs
// that it can't be used once, for all of them.
func LevelOf(err error) slog.Level {
	if errors.Is(err, fleet.Unavailable) {
		return slog.LevelDebug
	}
	return slog.LevelWarn
}
