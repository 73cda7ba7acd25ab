package client

import (
	"context"
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"strconv"
	"strings"

	"github.com/muster-iot/muster/api"
)

// Upload sends an image as a new version. It streams the image and never holds all of it.
func (c *Client) Upload(ctx context.Context, product string, f api.NewFirmware, image io.Reader) (out api.Firmware, err error) {
	reader, writer := io.Pipe()
	form := multipart.NewWriter(writer)
	written := make(chan error, 1)
	go func() {
		err := writeUpload(form, f, image)
		writer.CloseWithError(err)
		written <- err
	}()
	answer, err := c.send(ctx, http.MethodPost, path("products", product, "firmware"), form.FormDataContentType(), reader)
	if err == nil {
		err = decode(answer, &out)
	}
	reader.CloseWithError(errors.New("the server answered before the upload ended"))
	if writeErr := <-written; err == nil {
		err = writeErr
	}
	return out, err
}

func writeUpload(form *multipart.Writer, f api.NewFirmware, image io.Reader) error {
	fields := [][2]string{{"title", f.Title}, {"description", f.Description}, {"notes", f.Notes}}
	if !f.Version.IsZero() {
		fields = append(fields, [2]string{"version", f.Version.String()})
	}
	if f.ForceVersion {
		fields = append(fields, [2]string{"force_version", "true"})
	}
	if len(f.Hardware) > 0 {
		fields = append(fields, [2]string{"hardware", strings.Join(f.Hardware, ",")})
	}
	if !f.Requires.IsAll() {
		fields = append(fields, [2]string{"requires", f.Requires.String()})
	}
	if f.Floor > 0 {
		fields = append(fields, [2]string{"floor", strconv.FormatUint(uint64(f.Floor), 10)})
	}
	for _, field := range fields {
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

// Firmware retrieves all firmware of a product.
func (c *Client) Firmware(ctx context.Context, product string) ([]api.Firmware, error) {
	return get[[]api.Firmware](ctx, c, path("products", product, "firmware"))
}

// OneFirmware retrieves one firmware, with the tag for If. The tag changes with every
// release in the product.
func (c *Client) OneFirmware(ctx context.Context, product string, v api.Version) (f api.Firmware, tag string, err error) {
	return tagged[api.Firmware](ctx, c, path("products", product, "firmware", v.String()))
}

// EditFirmware changes what is not absent of a firmware.
func (c *Client) EditFirmware(ctx context.Context, product string, v api.Version, fields api.FirmwareFields) (api.Firmware, error) {
	return put[api.Firmware](ctx, c, path("products", product, "firmware", v.String()), fields)
}

// Download opens an image. The caller closes it.
func (c *Client) Download(ctx context.Context, product string, v api.Version) (io.ReadCloser, error) {
	answer, err := c.send(ctx, http.MethodGet, path("products", product, "firmware", v.String(), "binary"), "", nil)
	if err != nil {
		return nil, err
	}
	return answer.Body, nil
}

// DeleteFirmware deletes a firmware that was never released.
func (c *Client) DeleteFirmware(ctx context.Context, product string, v api.Version) error {
	return c.do(ctx, http.MethodDelete, path("products", product, "firmware", v.String()), nil)
}

// Release sets the groups a version is released to and whether it is the product default.
// It respects If, with the tag of OneFirmware.
func (c *Client) Release(ctx context.Context, product string, r api.Release) (api.Firmware, error) {
	return put[api.Firmware](ctx, c, path("products", product, "firmware", "release"), r)
}

// PreviewRelease returns the impact that Release would have.
func (c *Client) PreviewRelease(ctx context.Context, product string, r api.Release) (api.Impact, error) {
	return put[api.Impact](ctx, c, dryRun(path("products", product, "firmware", "release")), r)
}

// Progress retrieves how far the release of a version has come.
func (c *Client) Progress(ctx context.Context, product string, v api.Version) (api.Progress, error) {
	return get[api.Progress](ctx, c, path("products", product, "firmware", v.String(), "progress"))
}
