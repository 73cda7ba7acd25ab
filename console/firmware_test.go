package console

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/ota/image"
)

// full is an image directory on a disk without room.
type full struct{ image.Store }

func (full) Stage(_ context.Context, r io.Reader, _ int64) (*image.Staged, error) {
	if _, err := io.Copy(io.Discard, r); err != nil {
		return nil, err
	}
	return nil, fmt.Errorf("new image: %w", io.ErrShortWrite)
}

// ending calls end when everything is read.
type ending struct {
	io.Reader
	end func()
}

func (e ending) Read(p []byte) (int, error) {
	n, err := e.Reader.Read(p)
	if err != nil {
		e.end()
	}
	return n, err
}

func TestUploadFormTakesTheVersionOfTheImage(t *testing.T) {
	w := withLamp(t, func(_ *world, config *Config) { config.MaxImage = 1000 })
	data, err := os.ReadFile("../ota/metadata/testdata/mcuboot.bin")
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		version, force string
		status         int
		want           string
	}{
		{"", "", http.StatusSeeOther, ""},
		{"8.0.0", "", http.StatusUnprocessableEntity, "The image states version 1.4.2"},
		{"8.0.0", "yes", http.StatusSeeOther, ""},
	} {
		var form bytes.Buffer
		parts := multipart.NewWriter(&form)
		_ = parts.WriteField("version", row.version)
		if row.force != "" {
			_ = parts.WriteField("force", row.force)
		}
		part, err := parts.CreateFormFile("file", "lamp.bin")
		if err != nil {
			t.Fatal(err)
		}
		_, _ = part.Write(data)
		_ = parts.Close()
		request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/p/lamp/upload", &form)
		request.Header.Set("Content-Type", parts.FormDataContentType())
		w.signed(request)
		recorder := httptest.NewRecorder()
		w.ServeHTTP(recorder, request)
		if recorder.Code != row.status || !strings.Contains(recorder.Body.String(), row.want) {
			t.Errorf("version %q, force %q: got %d, want %d and %q:\n%s", row.version, row.force, recorder.Code, row.status, row.want, recorder.Body)
		}
	}
	for path, wants := range map[string][]string{
		"/p/lamp/firmware":       {"image states 1.4.2&#43;7"},
		"/p/lamp/firmware/1.4.2": {"Image format", "mcuboot", "1.4.2&#43;7", "image 1 &gt;= 2.0.1", "security counter 5", "<dt>Signed</dt><dd>yes"},
	} {
		answer := w.send(http.MethodGet, path, nil, w.signed)
		body, _ := io.ReadAll(answer.Body)
		for _, want := range wants {
			if !strings.Contains(string(body), want) {
				t.Errorf("%s: no %q in:\n%s", path, want, body)
			}
		}
	}
}

func TestAnUploadThatBreaksOffIsTheBrowsersFault(t *testing.T) {
	var form bytes.Buffer
	parts := multipart.NewWriter(&form)
	_ = parts.WriteField("version", "1")
	part, err := parts.CreateFormFile("file", "lamp.bin")
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(part, "IMAGE")
	_ = parts.Close()
	whole := form.String()
	half, _, _ := strings.Cut(whole, "AGE")
	for name, c := range map[string]struct {
		body   string
		gone   bool // the browser has disconnected, and net/http has noticed
		full   bool
		status int
		want   string
		logged bool
	}{
		"all of it":           {body: whole, status: http.StatusSeeOther},
		"cut within the file": {body: half, status: http.StatusUnprocessableEntity, want: "The upload was interrupted: try again."},
		"cut, and noticed":    {body: half, gone: true, status: http.StatusUnprocessableEntity, want: "The upload was interrupted: try again."},
		"over the limit":      {body: half + strings.Repeat("x", 2*maxForm), status: http.StatusRequestEntityTooLarge, want: "That is too long"},
		"no room for it":      {body: whole, full: true, status: http.StatusInternalServerError, want: "Something went wrong on the server.", logged: true},
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			w := withLamp(t, func(w *world, config *Config) {
				config.MaxImage, config.Log = 1000, slog.New(slog.NewTextHandler(&log, nil))
				if c.full {
					w.images = full{w.images}
				}
			})
			ctx, leave := context.WithCancel(t.Context())
			defer leave()
			body := io.Reader(strings.NewReader(c.body))
			if c.gone {
				body = ending{body, leave}
			}
			request := httptest.NewRequestWithContext(ctx, http.MethodPost, "/p/lamp/upload", body)
			request.Header.Set("Content-Type", parts.FormDataContentType())
			w.signed(request)
			recorder := httptest.NewRecorder()
			w.ServeHTTP(recorder, request)
			if recorder.Code != c.status || !strings.Contains(recorder.Body.String(), c.want) || (log.Len() > 0) != c.logged {
				t.Errorf("got %d, want %d; logged %q:\n%s", recorder.Code, c.status, log.String(), recorder.Body)
			}
		})
	}
}

func TestConfirmingAReleaseShowsWhatItDoes(t *testing.T) {
	w := withDevices(t)
	one, two := fleet.WholeVersion(1), fleet.WholeVersion(2)
	w.setDevice("d-1", func(d *fleet.Device) { d.Running = two })
	w.setDevice("d-2", func(d *fleet.Device) { d.Running = two })
	w.store.Index.SetOnline("1/d-1", true)
	yes := true
	must[fleet.FirmwareView](t)(w.releases.Release(t.Context(), owner, 1, fleet.ReleaseOrder{Version: two, Default: &yes}))
	page := body(t, w.send(http.MethodGet, "/p/lamp/firmware/1/confirm?group=beta&default=yes", nil, w.signed))
	c := must[*fleet.Catalog](t)(w.store.Catalogs.Catalog(t.Context(), 1))
	w.setDevice("d-2", func(d *fleet.Device) {
		d.Running, d.Attempts = one, fleet.Attempts{Target: two, Since: c.Revision, Held: true}
	})
	page += body(t, w.send(http.MethodGet, "/p/lamp/firmware/2/confirm?default=yes", nil, w.signed)) // released to it already
	for _, want := range []string{
		"version 2 in beta, version 2 as product default",                                // what it replaces
		`<tr class="lower"><td class="v">2</td>`, "Yes, send 2 devices back to an older", // downgrades, with a tick of their own
		"1 of them is online now", "1 device: held since an operator stopped the update",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q:\n%s", want, page)
		}
	}
}
