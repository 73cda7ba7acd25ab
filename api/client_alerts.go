package api

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
)

// AlertFilter selects alerts. Zero fields select the active ones of all devices; Limit
// is 1 to 100.
type AlertFilter struct {
	Device   string
	Archived bool
	After    string
	Limit    int
}

// Alerts is one page of the team's alerts, newest first.
func (c *Client) Alerts(ctx context.Context, f AlertFilter) (out Page[Alert], err error) {
	q := url.Values{"status": {"ACTIVE"}}
	if f.Archived {
		q.Set("status", "ARCHIVED")
	}
	for key, value := range map[string]string{"deviceId": f.Device, "pageNextToken": f.After} {
		if value != "" {
			q.Set(key, value)
		}
	}
	if f.Limit > 0 {
		q.Set("pageLimit", strconv.Itoa(f.Limit))
	}
	err = c.call(ctx, http.MethodGet, "/v1/alerts?"+q.Encode(), nil, &out)
	return out, err
}

// ArchiveAlert puts an alert away.
func (c *Client) ArchiveAlert(ctx context.Context, id string) error {
	return c.call(ctx, http.MethodPatch, path("alerts", id, "archive"), nil, nil)
}

// RestoreAlert makes an alert active again.
func (c *Client) RestoreAlert(ctx context.Context, id string) error {
	return c.call(ctx, http.MethodPatch, path("alerts", id, "restore"), nil, nil)
}
