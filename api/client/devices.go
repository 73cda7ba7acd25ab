package client

import (
	"context"
	"net/http"
	"strings"

	"github.com/muster-iot/muster/api"
)

// Devices retrieves one page of a product's devices.
func (c *Client) Devices(ctx context.Context, product string, f api.DeviceFilter) (api.DeviceList, error) {
	q := query{}.
		text("groups", strings.Join(f.Groups, ",")).text("deviceId", f.ID).text("deviceName", f.Name).text("firmwareVersion", f.Version).
		flag("online", f.Online).flag("development", f.Development).flag("locked", f.Locked).
		text("filter", f.Saved).text("sortAttr", f.Sort).number("page", f.Page).number("perPage", f.PerPage)
	for name, value := range f.Facts {
		q["facts."+name] = value
	}
	if f.Sort != "" {
		q["sortDir"] = map[bool]string{true: "desc", false: "asc"}[f.Descending]
	}
	return get[api.DeviceList](ctx, c, q.on(path("products", product, "devices")))
}

// Device retrieves one device.
func (c *Client) Device(ctx context.Context, id string) (api.Device, error) {
	d, _, err := c.DeviceTag(ctx, id)
	return d, err
}

// DeviceTag retrieves one device, with the tag for If. The tag changes when an operator
// changes the device.
func (c *Client) DeviceTag(ctx context.Context, id string) (d api.Device, tag string, err error) {
	return tagged[api.Device](ctx, c, path("devices", id))
}

// Import adds devices to a product. It returns the outcome for each, with the secrets of
// the new ones, which the server shows only this once.
func (c *Client) Import(ctx context.Context, product string, devices api.NewDevices) (api.Imported, error) {
	return post[api.Imported](ctx, c, path("products", product, "devices"), devices)
}

// PreviewImport returns what Import would do, without secrets.
func (c *Client) PreviewImport(ctx context.Context, product string, devices api.NewDevices) (api.Imported, error) {
	return post[api.Imported](ctx, c, dryRun(path("products", product, "devices")), devices)
}

// UpdateDevice changes one device of a product. It respects If, with the tag of DeviceTag.
func (c *Client) UpdateDevice(ctx context.Context, product, id string, u api.DeviceUpdate) (api.Device, error) {
	return put[api.Device](ctx, c, path("products", product, "devices", id), u)
}

// PreviewDevice returns the impact that UpdateDevice would have.
func (c *Client) PreviewDevice(ctx context.Context, product, id string, u api.DeviceUpdate) (api.Impact, error) {
	return put[api.Impact](ctx, c, dryRun(path("products", product, "devices", id)), u)
}

// DeleteDevice removes a device and its credential.
func (c *Client) DeleteDevice(ctx context.Context, id string) error {
	return c.do(ctx, http.MethodDelete, path("devices", id), nil)
}

// RotateSecret replaces a device's secret. The server shows the new one only this once.
func (c *Client) RotateSecret(ctx context.Context, id string) (api.Secret, error) {
	return post[api.Secret](ctx, c, path("devices", id, "credential"), nil)
}

// EditGroups adds groups to many devices and removes groups from them.
func (c *Client) EditGroups(ctx context.Context, product string, devices, add, remove []string) error {
	return c.UpdateDevices(ctx, product, api.BatchUpdate{Action: "groups", Devices: devices, Metadata: api.BatchMetadata{Add: add, Remove: remove}})
}

// UpdateDevices changes many devices of a product.
func (c *Client) UpdateDevices(ctx context.Context, product string, u api.BatchUpdate) error {
	return c.do(ctx, http.MethodPut, path("products", product, "devices"), u)
}

// PreviewDevices returns the impact that UpdateDevices would have.
func (c *Client) PreviewDevices(ctx context.Context, product string, u api.BatchUpdate) (api.Impact, error) {
	out, err := put[api.Done](ctx, c, dryRun(path("products", product, "devices")), u)
	if err != nil || out.Impact == nil {
		return api.Impact{}, err
	}
	return *out.Impact, nil
}

// Why explains which version a device should run.
func (c *Client) Why(ctx context.Context, id string) (api.Why, error) {
	return get[api.Why](ctx, c, path("devices", id, "why"))
}

// Flash sends one version to an online device, once.
func (c *Client) Flash(ctx context.Context, id string, v api.Version) error {
	return c.do(ctx, http.MethodPost, path("devices", id, "flash"), api.Flash{Version: v})
}

// Commands retrieves the commands that wait for a device and those it answered recently.
func (c *Client) Commands(ctx context.Context, id string) ([]api.Command, error) {
	out, err := get[api.Page[api.Command]](ctx, c, path("devices", id, "commands"))
	return out.Items, err
}

// SendCommand queues a command.
func (c *Client) SendCommand(ctx context.Context, id string, command api.NewCommand) (api.Command, error) {
	return post[api.Command](ctx, c, path("devices", id, "commands"), command)
}

// SendMessage sends a message to a device: a command named by its topic.
func (c *Client) SendMessage(ctx context.Context, id string, message api.NewMessage) (api.Command, error) {
	return post[api.Command](ctx, c, path("devices", id, "messages"), message)
}

// Messages retrieves one page of the team's messages, newest first unless f.Ascending.
func (c *Client) Messages(ctx context.Context, f api.MessageFilter) (api.Page[api.Message], error) {
	q := query{}.
		text("deviceId", f.Device).text("topic", f.Topic).text("search", f.Search).text("pageNextToken", f.After).number("pageLimit", f.Limit).
		moment("inclusiveStart", f.From).moment("exclusiveEnd", f.To)
	if f.Ascending {
		q["pageSort"] = "asc"
	}
	return get[api.Page[api.Message]](ctx, c, q.on("/v1/messages"))
}

// Alerts retrieves one page of the team's alerts, newest first.
func (c *Client) Alerts(ctx context.Context, f api.AlertFilter) (api.Page[api.Alert], error) {
	q := query{"status": map[bool]string{true: "ARCHIVED", false: "ACTIVE"}[f.Archived]}.
		text("deviceId", f.Device).text("pageNextToken", f.After).number("pageLimit", f.Limit)
	return get[api.Page[api.Alert]](ctx, c, q.on("/v1/alerts"))
}

// ArchiveAlert archives an alert.
func (c *Client) ArchiveAlert(ctx context.Context, id string) error {
	return c.do(ctx, http.MethodPatch, path("alerts", id, "archive"), nil)
}

// RestoreAlert makes an archived alert active again.
func (c *Client) RestoreAlert(ctx context.Context, id string) error {
	return c.do(ctx, http.MethodPatch, path("alerts", id, "restore"), nil)
}
