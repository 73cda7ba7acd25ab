package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/humane"
)

type updateCmd struct {
	List  updateListCmd  `cmd:"" help:"List each device's newest update, by state and version." example:"muster update list --state failed,rolled_back"`
	Stop  updateStopCmd  `cmd:"" help:"Stop running updates; they don't start again until the target changes, or a retry." example:"muster update stop lamp-7"`
	Retry updateRetryCmd `cmd:"" help:"Count a device's attempts anew, so that an exhausted or stopped update is tried again." example:"muster update retry lamp-7"`
}

type updateListCmd struct {
	productRemote
	State   []string    `help:"In this state: offered, downloading, stored, applying, confirmed, rolled_back, failed, superseded, stopped." placeholder:"STATE"`
	Version versionText `help:"That move to this version." placeholder:"VERSION" complete:"firmware"`
	Limit   int         `default:"100" help:"Rows at most; 0: all." placeholder:"N"`
}

// Run lists updates.
func (c *updateListCmd) Run(ctx context.Context) error {
	client, product, err := c.reach(ctx)
	if err != nil {
		return err
	}
	updates, more, err := upTo(c.Limit, func(after string, rows int) (api.Page[api.Update], error) {
		return client.Updates(ctx, product, api.UpdateFilter{States: c.State, Version: c.Version.String(), After: after, Limit: rows})
	})
	if err != nil {
		return err
	}
	if more {
		note("There are more; --limit shows them.")
	}
	c.hint(len(updates), "No such updates. They begin with a release: muster firmware release VERSION --group GROUP")
	return c.show(updates, func(t *table) {
		drawUpdates(t, updates)
	})
}

func drawUpdates(t *table, updates []api.Update) {
	t.row("DEVICE", "FROM", "TO", "STATE", "TRY", "RECEIVED", "CHANGED", "REASON")
	for _, u := range updates {
		t.row(u.DeviceID, u.From, u.To, u.State, u.Attempt, received(u), u.Changed, reason(u))
	}
}

func received(u api.Update) string {
	return fmt.Sprintf("%d%% of %s", u.Received*100/max(u.Size, 1), humane.Size(u.Size))
}

// reason is why an update ended as it did, in the words of protocol and device.
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

// updateText is an update in one line.
func updateText(u api.Update) string {
	text := fmt.Sprintf("%s to %s: %s, try %d", cell(u.From), u.To, u.State, u.Attempt)
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
	client, err := c.client()
	if err != nil {
		return err
	}
	updates, err := client.DeviceUpdates(ctx, c.ID)
	if err != nil {
		return err
	}
	c.hint(len(updates), "No updates yet. What it should run, and why: muster device why %s", c.ID)
	return c.show(updates, func(t *table) { drawUpdates(t, updates) })
}

type updateStopCmd struct {
	remote
	ID []string `arg:"" name:"id" help:"Device ids." complete:"device"`
}

// Run stops updates, going on where one can't be stopped.
func (c *updateStopCmd) Run(ctx context.Context) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	return c.each(c.ID, func(id string) error { return client.StopUpdate(ctx, id) }, "stopped")
}

type updateRetryCmd struct {
	remote
	ID []string `arg:"" name:"id" help:"Device ids." complete:"device"`
}

// Run counts attempts anew, going on where that can't be done.
func (c *updateRetryCmd) Run(ctx context.Context) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	return c.eachSays(c.ID, func(id string) (string, error) {
		d, err := client.Device(ctx, id)
		if err != nil {
			return "", err
		}
		return retryText(d), client.RetryUpdate(ctx, id)
	})
}

// retryText is what a retry brings d.
func retryText(d api.Device) string {
	when := "at its next handshake"
	if d.Online {
		when = "now"
	}
	update := d.Update
	switch {
	case d.Target.IsZero() || d.Running.Equal(d.Target.Version):
		return "runs what it should: there is nothing to try again"
	case update == nil || !update.To.Equal(d.Target.Version):
		return "has not tried version " + d.Target.String() + " yet: that begins " + when
	case slices.Contains(endings, update.State):
		return "will be tried again, " + when
	}
	return "is being updated: there is nothing to try again"
}

// endings are the states of an update after which a retry begins another.
var endings = []string{fleet.Failed.String(), fleet.RolledBack.String(), fleet.Stopped.String(), fleet.Superseded.String(), fleet.Confirmed.String()}
