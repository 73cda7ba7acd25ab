package client

import (
	"context"
	"net/http"

	"github.com/muster-iot/muster/api"
)

// Channels retrieves where the team's notifications go.
func (c *Client) Channels(ctx context.Context) ([]api.Channel, error) {
	out, err := get[api.ChannelList](ctx, c, "/v1/team/channels")
	return out.Channels, err
}

// CreateChannel adds a channel. The server shows the secret of a webhook only this once.
func (c *Client) CreateChannel(ctx context.Context, n api.NewChannel) (api.Channel, error) {
	return post[api.Channel](ctx, c, "/v1/team/channels", n)
}

// UpdateChannel changes a channel.
func (c *Client) UpdateChannel(ctx context.Context, id string, u api.ChannelUpdate) (api.Channel, error) {
	return put[api.Channel](ctx, c, path("team", "channels", id), u)
}

// DeleteChannel deletes a channel.
func (c *Client) DeleteChannel(ctx context.Context, id string) error {
	return c.do(ctx, http.MethodDelete, path("team", "channels", id), nil)
}

// TestChannel sends a test and returns what became of it.
func (c *Client) TestChannel(ctx context.Context, id string) (api.Notification, error) {
	return post[api.Notification](ctx, c, path("team", "channels", id, "test"), nil)
}

// RotateChannel replaces the secret of a webhook. The server shows the new one only this once.
func (c *Client) RotateChannel(ctx context.Context, id string) (api.Channel, error) {
	return post[api.Channel](ctx, c, path("team", "channels", id, "secret"), nil)
}

// NotifySettings retrieves the limits of the team's notifications.
func (c *Client) NotifySettings(ctx context.Context) (api.NotifySettings, error) {
	return get[api.NotifySettings](ctx, c, "/v1/team/notify")
}

// SetNotifySettings sets those that are not nil.
func (c *Client) SetNotifySettings(ctx context.Context, s api.NotifySettings) (api.NotifySettings, error) {
	return put[api.NotifySettings](ctx, c, "/v1/team/notify", s)
}

// Notifications retrieves one page of the team's notifications, newest first. Empty texts select all.
func (c *Client) Notifications(ctx context.Context, channel, state, after string, limit int) (api.Page[api.Notification], error) {
	q := query{}.text("channel", channel).text("state", state).text("pageNextToken", after).number("pageLimit", limit)
	return get[api.Page[api.Notification]](ctx, c, q.on("/v1/team/notifications"))
}

// SendAgain sends a notification again, with the same id.
func (c *Client) SendAgain(ctx context.Context, id string) (api.Notification, error) {
	return post[api.Notification](ctx, c, path("team", "notifications", id, "send"), nil)
}
