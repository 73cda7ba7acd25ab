package main

import (
	"cmp"
	"context"
	"strconv"

	"github.com/muster-iot/muster/api"
)

type alertCmd struct {
	List    alertListCmd    `cmd:"" help:"List what somebody should look at, newest first." example:"muster alert list"`
	Archive alertArchiveCmd `cmd:"" help:"Put alerts away." example:"muster alert archive 1764000000000-0"`
	Restore alertRestoreCmd `cmd:"" help:"Make alerts active again." example:"muster alert restore 1764000000000-0"`
}

type alertListCmd struct {
	remote
	Device   string `help:"Of this device." placeholder:"ID" complete:"device"`
	Archived bool   `help:"Those put away, not the active ones."`
	Limit    int    `default:"100" help:"Rows at most; 0: all." placeholder:"N"`
}

// Run lists alerts.
func (c *alertListCmd) Run(ctx context.Context) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	alerts, more, err := upTo(c.Limit, func(after string, rows int) (api.Page[api.Alert], error) {
		return client.Alerts(ctx, api.AlertFilter{Device: c.Device, Archived: c.Archived, After: after, Limit: rows})
	})
	if err == nil && len(alerts) == 0 {
		err = c.known(ctx, client, c.Device)
	}
	if err != nil {
		return err
	}
	if more {
		note("There are more; --limit shows them.")
	}
	c.hint(len(alerts), "No such alerts.")
	return c.show(alerts, func(t *table) {
		t.row("ID", "RAISED", "DEVICE", "ALERT", "DESCRIPTION")
		for _, a := range alerts {
			t.row(a.ID, a.Raised, a.Device, cmp.Or(a.Name, "type "+strconv.FormatUint(a.Type, 10)), clip(a.Text, 120))
		}
	})
}

type alertArchiveCmd struct {
	remote
	ID []string `arg:"" name:"id" help:"Alert ids."`
}

// Run puts alerts away.
func (c *alertArchiveCmd) Run(ctx context.Context) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	return c.each(c.ID, func(id string) error { return client.ArchiveAlert(ctx, id) }, "archived")
}

type alertRestoreCmd struct {
	remote
	ID []string `arg:"" name:"id" help:"Alert ids."`
}

// Run makes alerts active again.
func (c *alertRestoreCmd) Run(ctx context.Context) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	return c.each(c.ID, func(id string) error { return client.RestoreAlert(ctx, id) }, "active again")
}
