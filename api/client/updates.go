package client

import (
	"context"
	"net/http"
	"strings"

	"github.com/muster-iot/muster/api"
)

// Updates retrieves one page of the newest updates of a product's devices.
func (c *Client) Updates(ctx context.Context, product string, f api.UpdateFilter) (api.Page[api.Update], error) {
	q := query{}.
		text("state", strings.Join(f.States, ",")).text("version", f.Version).
		text("pageNextToken", f.After).number("pageLimit", f.Limit)
	return get[api.Page[api.Update]](ctx, c, q.on(path("products", product, "updates")))
}

// DeviceUpdates retrieves the updates of one device, newest first.
func (c *Client) DeviceUpdates(ctx context.Context, id string) ([]api.Update, error) {
	out, err := get[api.Page[api.Update]](ctx, c, path("devices", id, "updates"))
	return out.Items, err
}

// StopUpdate stops a device's running update.
func (c *Client) StopUpdate(ctx context.Context, id string) error {
	return c.do(ctx, http.MethodPost, path("devices", id, "updates", "stop"), nil)
}

// RetryUpdate resets a device's attempts, so that the device is re-evaluated.
func (c *Client) RetryUpdate(ctx context.Context, id string) error {
	return c.do(ctx, http.MethodPost, path("devices", id, "updates", "retry"), nil)
}

// RetryUpdates resets the attempts of the devices that r selects. While More is set it may be
// called again for others.
func (c *Client) RetryUpdates(ctx context.Context, product string, r api.RetryUpdates) (api.RetriedUpdates, error) {
	return post[api.RetriedUpdates](ctx, c, path("products", product, "updates", "retry"), r)
}

// PreviewRetries counts the devices whose attempts RetryUpdates would reset.
func (c *Client) PreviewRetries(ctx context.Context, product string, r api.RetryUpdates) (api.RetriedUpdates, error) {
	return post[api.RetriedUpdates](ctx, c, dryRun(path("products", product, "updates", "retry")), r)
}

// Remaining counts the devices that don't run their target yet by why, and names up to f.Limit of
// each cause, 10 if it is 0. f.Cause and f.After are not used.
func (c *Client) Remaining(ctx context.Context, product string, f api.RemainingFilter) (api.Remaining, error) {
	return get[api.Remaining](ctx, c, remainingQuery(f).number("devices", f.Limit).on(path("products", product, "remaining")))
}

// RemainingDevices retrieves one page of the devices that don't run their target yet, by id.
func (c *Client) RemainingDevices(ctx context.Context, product string, f api.RemainingFilter) (api.Page[api.RemainingDevice], error) {
	q := remainingQuery(f).text("cause", f.Cause).text("pageNextToken", f.After).number("pageLimit", f.Limit)
	return get[api.Page[api.RemainingDevice]](ctx, c, q.on(path("products", product, "remaining", "devices")))
}

func remainingQuery(f api.RemainingFilter) query {
	return query{}.text("version", f.Version).number("release", int(f.Release))
}
