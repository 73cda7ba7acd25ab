package cli

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/api/client"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/humane"
)

type updateCmd struct {
	List      updateListCmd      `cmd:"" help:"List each device's latest update, by state and version." example:"muster update list --state failed,rolled_back"`
	Remaining updateRemainingCmd `cmd:"" help:"Count the devices that don't run their target yet by why they don't, or list those with one cause." example:"muster update remaining --cause offline"`
	Stop      updateStopCmd      `cmd:"" help:"Stop running updates. They stay stopped until the device's target changes, or a retry." example:"muster update stop lamp-7"`
	Retry     updateRetryCmd     `cmd:"" help:"Reset devices' attempts, so that a stopped or exhausted update is tried again: those named, or all of a product by state and version." example:"muster update retry --state stopped,failed --version 8"`
}

type updateListCmd struct {
	productRemote
	State   []string    `help:"Only this state: offered, downloading, stored, applying, confirmed, rolled_back, failed, superseded or stopped." placeholder:"STATE"`
	Version versionText `help:"Only updates to this version." placeholder:"VERSION" complete:"firmware"`
	Limit   int         `default:"100" help:"Maximum number of rows; 0 for all." placeholder:"N"`
}

// Run lists updates.
func (c *updateListCmd) Run(ctx context.Context) error {
	return ask(ctx, c, func(s server) ([]api.Update, error) {
		return upTo(c.Limit, func(after string, rows int) (api.Page[api.Update], error) {
			return s.Updates(ctx, s.product, api.UpdateFilter{States: c.State, Version: c.Version.String(), After: after, Limit: rows})
		})
	}, func(t *table, updates []api.Update) {
		t.hint(len(updates), "No matching updates. A release starts them: muster firmware release VERSION --group GROUP")
		drawUpdates(t, updates)
	})
}

func drawUpdates(t *table, updates []api.Update) {
	t.row("DEVICE", "FROM", "TO", "STATE", "ATTEMPT", "RECEIVED", "CHANGED", "REASON")
	for _, u := range updates {
		t.row(u.DeviceID, u.From, destination(u), u.State, u.Attempt, received(u), u.Changed, reason(u))
	}
}

// destination is the version that an update installs, and the target if that is only a step on the way.
func destination(u api.Update) string {
	if u.Goal == nil {
		return u.To.String()
	}
	return u.To.String() + " (on the way to " + u.Goal.String() + ")"
}

func received(u api.Update) string {
	return fmt.Sprintf("%d%% of %s", u.Received*100/max(u.Size, 1), humane.Size(u.Size))
}

// reason explains how an update ended, in the words of the protocol and of the device.
func reason(u api.Update) string {
	var words []string
	if u.Reason != 0 {
		words = append(words, u.ReasonText)
	}
	if u.Text != "" {
		words = append(words, u.Text)
	}
	return strings.Join(words, ": ")
}

// updateText describes an update in one line.
func updateText(u api.Update) string {
	text := fmt.Sprintf("%s to %s: %s, attempt %d", cell(u.From), destination(u), u.State, u.Attempt)
	if why := reason(u); why != "" {
		text += ", " + why
	}
	return text
}

type deviceUpdatesCmd struct {
	remote
	ID string `arg:"" help:"Device id." complete:"device"`
}

// Run lists the updates of one device.
func (c *deviceUpdatesCmd) Run(ctx context.Context) error {
	return ask(ctx, c, func(s server) ([]api.Update, error) { return s.DeviceUpdates(ctx, c.ID) }, func(t *table, updates []api.Update) {
		t.hint(len(updates), "No updates yet. To see what it should run and why: muster device why %s", c.ID)
		drawUpdates(t, updates)
	})
}

type updateStopCmd struct {
	remote
	ID []string `arg:"" name:"id" help:"Device ids." complete:"device"`
}

// Run stops updates.
func (c *updateStopCmd) Run(ctx context.Context) error {
	return each(ctx, c, c.ID, (*client.Client).StopUpdate, "stopped")
}

type updateRetryCmd struct {
	productRemote
	agree
	ID      []string    `arg:"" optional:"" name:"id" help:"Device ids." complete:"device"`
	State   []string    `help:"All devices of the product whose latest update is in this state: stopped, failed or rolled_back." placeholder:"STATE"`
	Version versionText `help:"With --state: only updates to this version." placeholder:"VERSION" complete:"firmware"`
}

// Run resets attempts.
func (c *updateRetryCmd) Run(ctx context.Context) error {
	switch {
	case (len(c.ID) > 0) == (len(c.State) > 0):
		return Misuse("which updates? Give device ids, or --state stopped,failed,rolled_back for all of a product")
	case len(c.State) > 0:
		return c.retryAll(ctx)
	}
	s, err := c.remote.reach(ctx)
	if err != nil {
		return err
	}
	return showEach(c, c.ID, func(id string) (string, error) {
		d, err := s.Device(ctx, id)
		if err != nil {
			return "", err
		}
		return retryText(d), s.RetryUpdate(ctx, id)
	})
}

// retryAll asks, and resets the attempts of all devices whose latest update is selected.
func (c *updateRetryCmd) retryAll(ctx context.Context) error {
	for _, state := range c.State {
		if !slices.Contains(retried, state) {
			return Misuse("--state %s: updates can be retried that are %s", state, strings.Join(retried, ", "))
		}
	}
	s, err := c.reach(ctx)
	if err != nil {
		return err
	}
	var jobs []api.NewJob
	for _, state := range c.State {
		query := url.Values{"update": {state}}
		if v := c.Version.String(); v != "" {
			query.Set("to", v)
		}
		jobs = append(jobs, api.NewJob{Action: "retry", Query: new(query.Encode())})
	}
	return changeByJobs(ctx, c.remote, c.agree, s, jobs, "Retry the updates of %s, now for those that are online?",
		"Attempts of %s reset; those online are re-evaluated now, the others at their next handshake.")
}

// retried are the states of a latest update that a retry makes a difference to.
var retried = []string{fleet.Stopped.String(), fleet.Failed.String(), fleet.RolledBack.String()}

// retryText describes what a retry does for d.
func retryText(d api.Device) string {
	when := "at its next handshake"
	if d.Online {
		when = "now"
	}
	update := d.Update
	switch {
	case d.Target.IsZero() || d.Running.Equal(d.Target.Version):
		return "already runs what it should: nothing to retry"
	case update == nil || !update.To.Equal(d.Target.Version):
		return "has not tried version " + d.Target.String() + " yet: starts " + when
	case slices.Contains(endings, update.State):
		return "retries " + when
	}
	return "is being updated: nothing to retry"
}

// endings are the states of an update after which a retry starts another.
var endings = []string{fleet.Failed.String(), fleet.RolledBack.String(), fleet.Stopped.String(), fleet.Superseded.String(), fleet.Confirmed.String()}
