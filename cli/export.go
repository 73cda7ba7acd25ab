package cli

import (
	"context"
	"io"
	"os"

	"github.com/muster-iot/muster/api"
)

type exportCmd struct {
	Devices  exportDevicesCmd  `cmd:"" help:"Export the devices of a product." example:"muster export devices --group beta --format csv --output devices.csv"`
	Updates  exportUpdatesCmd  `cmd:"" help:"Export each device's latest update, by state and version." example:"muster export updates --state failed,rolled_back"`
	Messages exportMessagesCmd `cmd:"" help:"Export what devices sent, newest first." example:"muster export messages --search temperature --since 7d --format jsonl"`
	Alerts   exportAlertsCmd   `cmd:"" help:"Export alerts, newest first." example:"muster export alerts"`
	Audit    exportAuditCmd    `cmd:"" help:"Export the audit log, newest first." example:"muster export audit --since 30d --action firmware"`
}

// exported is embedded in all of them.
type exported struct {
	Format string `default:"csv" enum:"csv,jsonl" help:"csv, with a heading, or jsonl, an object per line. In CSV, text that a spreadsheet would take for a formula begins with an apostrophe." placeholder:"FORMAT"`
	Output string `short:"o" help:"Write to this file instead of standard output." placeholder:"FILE"`
}

// to calls write with the server, and where the export goes. A file that is not complete is removed.
func (e exported) to(ctx context.Context, v verb, write func(s server, w io.Writer) error) error {
	s, err := v.reach(ctx)
	if err != nil {
		return err
	}
	if e.Output == "" {
		return write(s, os.Stdout)
	}
	file, err := os.Create(e.Output)
	if err != nil {
		return err
	}
	err = write(s, file)
	if closing := file.Close(); err == nil {
		err = closing
	}
	if err != nil {
		os.Remove(e.Output)
	}
	return err
}

type exportDevicesCmd struct {
	productRemote
	exported
	Group       []string          `help:"Only devices in any of these groups, separated by commas." placeholder:"NAME,..." complete:"group"`
	ID          string            `help:"Only devices whose id contains this." placeholder:"TEXT"`
	Name        string            `help:"Only devices whose name contains this." placeholder:"TEXT"`
	Version     versionText       `help:"Only devices that run this version." placeholder:"VERSION" complete:"firmware"`
	Online      *bool             `negatable:"" help:"Only devices that are online, or with --no-online that are not."`
	Locked      *bool             `negatable:"" help:"Only locked devices, or those that are not."`
	Development *bool             `negatable:"" help:"Only development devices, or those that are not."`
	Fact        map[string]string `help:"Only devices that reported this, as in modem=nRF9160." placeholder:"NAME=VALUE"`
}

// Run exports devices.
func (c *exportDevicesCmd) Run(ctx context.Context) error {
	version := ""
	if !c.Version.IsZero() {
		version = c.Version.String()
	}
	return c.to(ctx, c, func(s server, w io.Writer) error {
		return s.ExportDevices(ctx, w, c.Format, s.product, api.DeviceFilter{
			Groups: c.Group, ID: c.ID, Name: c.Name, Version: version, Online: c.Online, Locked: c.Locked, Development: c.Development, Facts: c.Fact,
		})
	})
}

type exportUpdatesCmd struct {
	productRemote
	exported
	State   []string    `help:"Only these states, separated by commas." placeholder:"STATE,..."`
	Version versionText `help:"Only updates to this version." placeholder:"VERSION" complete:"firmware"`
}

// Run exports updates.
func (c *exportUpdatesCmd) Run(ctx context.Context) error {
	return c.to(ctx, c, func(s server, w io.Writer) error {
		return s.ExportUpdates(ctx, w, c.Format, s.product, api.UpdateFilter{States: c.State, Version: c.Version.String()})
	})
}

type exportMessagesCmd struct {
	remote
	exported
	Device string `help:"Only from this device." placeholder:"ID" complete:"device"`
	Topic  string `help:"Only on this topic." placeholder:"TOPIC"`
	Search string `help:"Only those whose topic or device id contains this." placeholder:"TEXT"`
	Since  moment `help:"Only received at or after this time, as in 2026-07-01T12:00:00Z, or how long ago, as in 7d." placeholder:"TIME"`
	Until  moment `help:"Only received before this time, in the same form." placeholder:"TIME"`
}

// Run exports messages.
func (c *exportMessagesCmd) Run(ctx context.Context) error {
	return c.to(ctx, c, func(s server, w io.Writer) error {
		return s.ExportMessages(ctx, w, c.Format, api.MessageFilter{Device: c.Device, Topic: c.Topic, Search: c.Search, From: c.Since.Time, To: c.Until.Time})
	})
}

type exportAlertsCmd struct {
	remote
	exported
	Device   string `help:"Only of this device." placeholder:"ID" complete:"device"`
	Archived bool   `help:"Archived alerts instead of active ones."`
}

// Run exports alerts.
func (c *exportAlertsCmd) Run(ctx context.Context) error {
	return c.to(ctx, c, func(s server, w io.Writer) error {
		return s.ExportAlerts(ctx, w, c.Format, api.AlertFilter{Device: c.Device, Archived: c.Archived})
	})
}

type exportAuditCmd struct {
	remote
	exported
	auditConditions
}

// Run exports the audit log.
func (c *exportAuditCmd) Run(ctx context.Context) error {
	return c.to(ctx, c, func(s server, w io.Writer) error {
		f, err := c.on(ctx, s)
		if err != nil {
			return err
		}
		return s.ExportAudit(ctx, w, c.Format, f)
	})
}
