package api

import (
	"context"
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// Groups are the groups a product's devices may be in.
func (c *Client) Groups(ctx context.Context, product string) ([]Group, error) {
	var out GroupList
	err := c.call(ctx, http.MethodGet, path("products", product, "groups"), nil, &out)
	return out.Groups, err
}

// CreateGroup makes a group for a product's devices; the server chooses its colour.
func (c *Client) CreateGroup(ctx context.Context, product, name, description string) (Group, error) {
	return c.CreateGroupOf(ctx, product, GroupFields{Name: &name, Description: &description})
}

// CreateGroupOf makes a group of fields for a product's devices.
func (c *Client) CreateGroupOf(ctx context.Context, product string, fields GroupFields) (Group, error) {
	var out OneGroup
	err := c.call(ctx, http.MethodPost, path("products", product, "groups"), fields, &out)
	return out.Group, err
}

// EditGroup renames, describes or colours a group; absent fields stay as they are. It
// heeds If, with the tag of Group.
func (c *Client) EditGroup(ctx context.Context, product, name string, fields GroupFields) (Group, error) {
	var out OneGroup
	err := c.call(ctx, http.MethodPut, path("products", product, "groups", name), fields, &out)
	return out.Group, err
}

// Group is one group that a product's devices may be in, with the tag for If: it is
// another as soon as its name or its texts are.
func (c *Client) Group(ctx context.Context, product, name string) (g Group, tag string, err error) {
	var out OneGroup
	tag, err = c.tagged(ctx, path("products", product, "groups", name), &out)
	return out.Group, tag, err
}

// PreviewDeleteGroup is the impact DeleteGroup would have.
func (c *Client) PreviewDeleteGroup(ctx context.Context, product, name string) (i Impact, err error) {
	err = c.call(ctx, http.MethodDelete, path("products", product, "groups", name)+"?dry_run=true", nil, &i)
	return i, err
}

// DeleteGroup deletes a group and ends its release.
func (c *Client) DeleteGroup(ctx context.Context, product, name string) error {
	return c.call(ctx, http.MethodDelete, path("products", product, "groups", name), nil, nil)
}

// NewFirmware describes an image to upload.
type NewFirmware struct {
	Version     Version
	Title       string
	Description string
	File        string // name the image is known by
}

// Upload sends an image as a new version. The image is streamed, never held as a whole.
func (c *Client) Upload(ctx context.Context, product string, f NewFirmware, image io.Reader) (out Firmware, err error) {
	reader, writer := io.Pipe()
	form := multipart.NewWriter(writer)
	written := make(chan error, 1)
	go func() {
		err := writeUpload(form, f, image)
		writer.CloseWithError(err)
		written <- err
	}()
	err = c.exchange(ctx, http.MethodPost, path("products", product, "firmware"), form.FormDataContentType(), reader, &out)
	reader.CloseWithError(errors.New("the server answered before the upload ended"))
	if writeErr := <-written; err == nil {
		err = writeErr
	}
	return out, err
}

func writeUpload(form *multipart.Writer, f NewFirmware, image io.Reader) error {
	for _, field := range [][2]string{{"version", f.Version.String()}, {"title", f.Title}, {"description", f.Description}} {
		if err := form.WriteField(field[0], field[1]); err != nil {
			return err
		}
	}
	name := f.File
	if name == "" {
		name = "firmware.bin"
	}
	part, err := form.CreateFormFile("file", name)
	if err != nil {
		return err
	}
	if _, err := io.Copy(part, image); err != nil {
		return err
	}
	return form.Close()
}

// Firmware are all firmware of a product.
func (c *Client) Firmware(ctx context.Context, product string) (out []Firmware, err error) {
	err = c.call(ctx, http.MethodGet, path("products", product, "firmware"), nil, &out)
	return out, err
}

// OneFirmware is one firmware, with the tag for If: it is another as soon as anything is
// released in the product.
func (c *Client) OneFirmware(ctx context.Context, product string, v Version) (f Firmware, tag string, err error) {
	tag, err = c.tagged(ctx, path("products", product, "firmware", v.String()), &f)
	return f, tag, err
}

// EditFirmware changes title and description; absent fields stay as they are.
func (c *Client) EditFirmware(ctx context.Context, product string, v Version, fields FirmwareFields) (f Firmware, err error) {
	err = c.call(ctx, http.MethodPut, path("products", product, "firmware", v.String()), fields, &f)
	return f, err
}

// Download opens an image; the caller closes it.
func (c *Client) Download(ctx context.Context, product string, v Version) (io.ReadCloser, error) {
	answer, err := c.send(ctx, http.MethodGet, path("products", product, "firmware", v.String(), "binary"), "", nil)
	if err != nil {
		return nil, err
	}
	return answer.Body, nil
}

// DeleteFirmware deletes a firmware that was never released.
func (c *Client) DeleteFirmware(ctx context.Context, product string, v Version) error {
	return c.call(ctx, http.MethodDelete, path("products", product, "firmware", v.String()), nil, nil)
}

// Release decides where a version is released. It heeds If, with the tag of OneFirmware.
func (c *Client) Release(ctx context.Context, product string, r Release) (out Firmware, err error) {
	err = c.call(ctx, http.MethodPut, path("products", product, "firmware", "release"), r, &out)
	return out, err
}

// PreviewRelease is the impact Release would have.
func (c *Client) PreviewRelease(ctx context.Context, product string, r Release) (out Impact, err error) {
	err = c.call(ctx, http.MethodPut, path("products", product, "firmware", "release")+"?dry_run=true", r, &out)
	return out, err
}

// Progress is how far the release of a version has come.
func (c *Client) Progress(ctx context.Context, product string, v Version) (out Progress, err error) {
	err = c.call(ctx, http.MethodGet, path("products", product, "firmware", v.String(), "progress"), nil, &out)
	return out, err
}

// UpdateFilter selects updates of a product. Zero fields select all; Limit is 1 to 100.
type UpdateFilter struct {
	States  []string
	Version string
	After   string
	Limit   int
}

// Updates is one page of the newest updates of a product's devices.
func (c *Client) Updates(ctx context.Context, product string, f UpdateFilter) (out Page[Update], err error) {
	q := url.Values{}
	for key, value := range map[string]string{"state": strings.Join(f.States, ","), "version": f.Version, "pageNextToken": f.After} {
		if value != "" {
			q.Set(key, value)
		}
	}
	if f.Limit > 0 {
		q.Set("pageLimit", strconv.Itoa(f.Limit))
	}
	err = c.call(ctx, http.MethodGet, path("products", product, "updates")+"?"+q.Encode(), nil, &out)
	return out, err
}

// DeviceUpdates are the updates of one device, newest first.
func (c *Client) DeviceUpdates(ctx context.Context, id string) ([]Update, error) {
	var out Page[Update]
	err := c.call(ctx, http.MethodGet, path("devices", id, "updates"), nil, &out)
	return out.Items, err
}

// StopUpdate stops a device's running update.
func (c *Client) StopUpdate(ctx context.Context, id string) error {
	return c.call(ctx, http.MethodPost, path("devices", id, "updates", "stop"), nil, nil)
}

// RetryUpdate counts a device's attempts anew.
func (c *Client) RetryUpdate(ctx context.Context, id string) error {
	return c.call(ctx, http.MethodPost, path("devices", id, "updates", "retry"), nil, nil)
}
