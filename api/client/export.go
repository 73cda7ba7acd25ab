package client

import (
	"context"
	"io"
	"net/http"
	"strings"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/fleet"
)

// ExportDevices writes all devices of a product that f selects to w, by id; its sort and pages are
// not used. format is csv or jsonl. After an error, w does not have all of them.
func (c *Client) ExportDevices(ctx context.Context, w io.Writer, format, product string, f api.DeviceFilter) error {
	q := query{}.
		text("groups", strings.Join(f.Groups, ",")).text("deviceId", f.ID).text("deviceName", f.Name).text("firmwareVersion", f.Version).
		flag("online", f.Online).flag("development", f.Development).flag("locked", f.Locked)
	for name, value := range f.Facts {
		q["facts."+name] = value
	}
	return c.export(ctx, w, format, path("products", product, "export", "devices"), q)
}

// ExportUpdates writes the newest update of each device to w, as ExportDevices does.
func (c *Client) ExportUpdates(ctx context.Context, w io.Writer, format, product string, f api.UpdateFilter) error {
	q := query{}.text("state", strings.Join(f.States, ",")).text("version", f.Version)
	return c.export(ctx, w, format, path("products", product, "export", "updates"), q)
}

// ExportMessages writes messages to w, newest first, as ExportDevices does.
func (c *Client) ExportMessages(ctx context.Context, w io.Writer, format string, f api.MessageFilter) error {
	q := query{}.text("deviceId", f.Device).text("topic", f.Topic).text("search", f.Search).moment("start", f.From).moment("end", f.To)
	return c.export(ctx, w, format, path("export", "messages"), q)
}

// ExportAlerts writes alerts to w, newest first, as ExportDevices does.
func (c *Client) ExportAlerts(ctx context.Context, w io.Writer, format string, f api.AlertFilter) error {
	q := query{}.text("deviceId", f.Device)
	if f.Archived {
		q["status"] = "ARCHIVED"
	}
	return c.export(ctx, w, format, path("export", "alerts"), q)
}

// ExportAudit writes the audit log to w, newest first, as ExportDevices does.
func (c *Client) ExportAudit(ctx context.Context, w io.Writer, format string, f api.AuditFilter) error {
	return c.export(ctx, w, format, path("export", "audit"), auditQuery(f))
}

func (c *Client) export(ctx context.Context, w io.Writer, format, path string, q query) error {
	answer, err := c.send(ctx, http.MethodGet, q.text("format", format).on(path), "", nil)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if _, err := io.Copy(w, answer.Body); err != nil {
		return fleet.Errorf(fleet.Unavailable, "the export broke off, what was written is not all of it: %w", err)
	}
	return nil
}
