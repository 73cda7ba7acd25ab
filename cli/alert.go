package cli

import (
	"cmp"
	"context"
	"strconv"
	"strings"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/api/client"
)

type alertCmd struct {
	List    alertListCmd    `cmd:"" help:"List alerts that devices raised, newest first." example:"muster alert list"`
	Archive alertArchiveCmd `cmd:"" help:"Archive alerts." example:"muster alert archive 1764000000000-0"`
	Restore alertRestoreCmd `cmd:"" help:"Make archived alerts active again." example:"muster alert restore 1764000000000-0"`
}

type alertListCmd struct {
	remote
	Device   string `help:"Only from this device." placeholder:"ID" complete:"device"`
	Archived bool   `help:"List archived alerts instead of active ones."`
	Limit    int    `default:"100" help:"Maximum number of rows; 0 for all." placeholder:"N"`
}

// Run lists alerts.
func (c *alertListCmd) Run(ctx context.Context) error {
	return ask(ctx, c, func(s server) ([]api.Alert, error) {
		alerts, err := upTo(c.Limit, func(after string, rows int) (api.Page[api.Alert], error) {
			return s.Alerts(ctx, api.AlertFilter{Device: c.Device, Archived: c.Archived, After: after, Limit: rows})
		})
		if err == nil && len(alerts) == 0 {
			err = checkDevice(ctx, s, c.Device)
		}
		return alerts, err
	}, func(t *table, alerts []api.Alert) {
		t.hint(len(alerts), "No matching alerts.")
		t.row("ID", "RAISED", "DEVICE", "ALERT", "DESCRIPTION")
		for _, a := range alerts {
			t.row(a.ID, a.Raised, a.Device, cmp.Or(a.Name, "type "+strconv.FormatUint(a.Type, 10)), clip(strings.TrimSpace(a.Text+" "+string(a.Value)), 120))
		}
	})
}

type alertArchiveCmd struct {
	remote
	ID []string `arg:"" name:"id" help:"Alert ids."`
}

// Run archives alerts.
func (c *alertArchiveCmd) Run(ctx context.Context) error {
	return each(ctx, c, c.ID, (*client.Client).ArchiveAlert, "archived")
}

type alertRestoreCmd struct {
	remote
	ID []string `arg:"" name:"id" help:"Alert ids."`
}

// Run makes alerts active again.
func (c *alertRestoreCmd) Run(ctx context.Context) error {
	return each(ctx, c, c.ID, (*client.Client).RestoreAlert, "active again")
}
