package api

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// DeviceFilter selects devices of a product. Zero fields select all.
type DeviceFilter struct {
	Groups      []string // in any of these
	ID, Name    string   // parts of them
	Version     string   // runs this
	Online      *bool
	Development *bool
	Locked      *bool
	Sort        string // deviceName, deviceId, firmwareVersion, lastConnection
	Descending  bool
	Page        int // from 1
	PerPage     int // 1 to 100
}

func (f DeviceFilter) query() string {
	q := url.Values{}
	text := func(key, value string) {
		if value != "" {
			q.Set(key, value)
		}
	}
	flag := func(key string, value *bool) {
		if value != nil {
			q.Set(key, strconv.FormatBool(*value))
		}
	}
	text("groups", strings.Join(f.Groups, ","))
	text("deviceId", f.ID)
	text("deviceName", f.Name)
	text("firmwareVersion", f.Version)
	flag("online", f.Online)
	flag("development", f.Development)
	flag("locked", f.Locked)
	text("sortAttr", f.Sort)
	if f.Sort != "" {
		q.Set("sortDir", map[bool]string{true: "desc", false: "asc"}[f.Descending])
	}
	for key, n := range map[string]int{"page": f.Page, "perPage": f.PerPage} {
		if n > 0 {
			q.Set(key, strconv.Itoa(n))
		}
	}
	return "?" + q.Encode()
}

// Devices is one page of a product's devices.
func (c *Client) Devices(ctx context.Context, product string, f DeviceFilter) (out DeviceList, err error) {
	err = c.call(ctx, http.MethodGet, path("products", product, "devices")+f.query(), nil, &out)
	return out, err
}

// AllDevices are all devices of the team, by cursor, in the order of their ids.
func (c *Client) AllDevices(ctx context.Context) ([]Device, error) {
	var all []Device
	for token := ""; ; {
		var out Page[Device]
		query := url.Values{"pageLimit": {strconv.Itoa(maxRows)}}
		if token != "" {
			query.Set("pageNextToken", token)
		}
		if err := c.call(ctx, http.MethodGet, "/v1/devices?"+query.Encode(), nil, &out); err != nil {
			return nil, err
		}
		all = append(all, out.Items...)
		if token = out.Next; token == "" {
			return all, nil
		}
	}
}

// Device is one device.
func (c *Client) Device(ctx context.Context, id string) (d Device, err error) {
	d, _, err = c.DeviceTag(ctx, id)
	return d, err
}

// DeviceTag is one device, with the tag for If: it is another as soon as an operator
// changes the device.
func (c *Client) DeviceTag(ctx context.Context, id string) (d Device, tag string, err error) {
	tag, err = c.tagged(ctx, path("devices", id), &d)
	return d, tag, err
}

// Import makes devices members of a product and returns what became of each, with the
// secrets of the new ones: they are shown this once.
func (c *Client) Import(ctx context.Context, product string, devices NewDevices) (out Imported, err error) {
	err = c.call(ctx, http.MethodPost, path("products", product, "devices"), devices, &out)
	return out, err
}

// UpdateDevice changes one device of a product. It heeds If, with the tag of DeviceTag.
func (c *Client) UpdateDevice(ctx context.Context, product, id string, u DeviceUpdate) (d Device, err error) {
	err = c.call(ctx, http.MethodPut, path("products", product, "devices", id), u, &d)
	return d, err
}

// PreviewDevice is the impact UpdateDevice would have.
func (c *Client) PreviewDevice(ctx context.Context, product, id string, u DeviceUpdate) (i Impact, err error) {
	err = c.call(ctx, http.MethodPut, path("products", product, "devices", id)+"?dry_run=true", u, &i)
	return i, err
}

// DeleteDevice removes a device and its credential.
func (c *Client) DeleteDevice(ctx context.Context, id string) error {
	return c.call(ctx, http.MethodDelete, path("devices", id), nil, nil)
}

// RotateSecret gives a device a new secret, shown this once.
func (c *Client) RotateSecret(ctx context.Context, id string) (s Secret, err error) {
	err = c.call(ctx, http.MethodPost, path("devices", id, "credential"), nil, &s)
	return s, err
}

// EditGroups adds and removes groups on many devices.
func (c *Client) EditGroups(ctx context.Context, product string, devices, add, remove []string) error {
	return c.UpdateDevices(ctx, product, BatchUpdate{Action: "groups", Devices: devices, Metadata: BatchMetadata{Add: add, Remove: remove}})
}

// UpdateDevices changes many devices of a product.
func (c *Client) UpdateDevices(ctx context.Context, product string, u BatchUpdate) error {
	return c.call(ctx, http.MethodPut, path("products", product, "devices"), u, nil)
}

// PreviewDevices is the impact UpdateDevices would have.
func (c *Client) PreviewDevices(ctx context.Context, product string, u BatchUpdate) (Impact, error) {
	var out Done
	err := c.call(ctx, http.MethodPut, path("products", product, "devices")+"?dry_run=true", u, &out)
	if err != nil || out.Impact == nil {
		return Impact{}, err
	}
	return *out.Impact, nil
}

// Why explains what a device should run.
func (c *Client) Why(ctx context.Context, id string) (w Why, err error) {
	err = c.call(ctx, http.MethodGet, path("devices", id, "why"), nil, &w)
	return w, err
}

// Flash sends one version to an online device, once.
func (c *Client) Flash(ctx context.Context, id string, v Version) error {
	return c.call(ctx, http.MethodPost, path("devices", id, "flash"), Flash{Version: v}, nil)
}

// SendCommand queues a command.
func (c *Client) SendCommand(ctx context.Context, id string, command NewCommand) (out Command, err error) {
	err = c.call(ctx, http.MethodPost, path("devices", id, "commands"), command, &out)
	return out, err
}

// SendMessage sends a message to a device: a command named by its topic.
func (c *Client) SendMessage(ctx context.Context, id string, message NewMessage) (out Command, err error) {
	err = c.call(ctx, http.MethodPost, path("devices", id, "messages"), message, &out)
	return out, err
}

// Commands are those that wait for a device and those it answered lately.
func (c *Client) Commands(ctx context.Context, id string) ([]Command, error) {
	var out Page[Command]
	err := c.call(ctx, http.MethodGet, path("devices", id, "commands"), nil, &out)
	return out.Items, err
}

// MessageFilter selects messages. Zero fields select all; Limit is 1 to 100.
type MessageFilter struct {
	Device, Topic, After string
	Limit                int
	Ascending            bool
	From, To             time.Time // received from here on, and before this; zero: no bound
}

// Messages is one page of the team's messages, newest first unless Ascending.
func (c *Client) Messages(ctx context.Context, f MessageFilter) (out Page[Message], err error) {
	q := url.Values{}
	for key, value := range map[string]string{"deviceId": f.Device, "topic": f.Topic, "pageNextToken": f.After} {
		if value != "" {
			q.Set(key, value)
		}
	}
	if f.Limit > 0 {
		q.Set("pageLimit", strconv.Itoa(f.Limit))
	}
	if f.Ascending {
		q.Set("pageSort", "asc")
	}
	for key, bound := range map[string]time.Time{"inclusiveStart": f.From, "exclusiveEnd": f.To} {
		if !bound.IsZero() {
			q.Set(key, bound.UTC().Format(time.RFC3339Nano))
		}
	}
	err = c.call(ctx, http.MethodGet, "/v1/messages?"+q.Encode(), nil, &out)
	return out, err
}
