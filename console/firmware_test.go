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
	"strings"
	"testing"

	"github.com/muster-iot/muster/fleet"
)

func (r *team) Product(context.Context, fleet.Actor, string) (fleet.Product, error) {
	return fleet.Product{ID: 1, Team: 1, Slug: "lamp"}, nil
}

// shelf takes images, as far as their bytes come, somebody waits, and there is room.
type shelf struct {
	OTA
	full error
}

func (s shelf) Upload(ctx context.Context, _ fleet.Actor, f fleet.Firmware, image io.Reader) (fleet.Firmware, error) {
	err := ctx.Err()
	var size int64
	if err == nil {
		size, err = io.Copy(io.Discard, image)
	}
	if err == nil {
		err = s.full
	}
	if err != nil {
		return f, fmt.Errorf("new image: %w", err)
	}
	f.Size = size
	return f, nil
}

func TestAnUploadThatBreaksOffIsTheBrowsersFault(t *testing.T) {
	var form bytes.Buffer
	parts := multipart.NewWriter(&form)
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
		gone   bool // the browser, which net/http noticed
		full   error
		status int
		want   string
		logged bool
	}{
		"all of it":           {body: whole, status: http.StatusSeeOther},
		"cut within the file": {body: half, status: http.StatusUnprocessableEntity, want: "The upload broke off: try again."},
		"cut, and noticed":    {body: half, gone: true, status: http.StatusUnprocessableEntity, want: "The upload broke off: try again."},
		"over the limit":      {body: half + strings.Repeat("x", 2*maxForm), status: http.StatusRequestEntityTooLarge, want: "That is too long"},
		"no room for it":      {body: whole, full: io.ErrShortWrite, status: http.StatusInternalServerError, want: "Something went wrong on our side.", logged: true},
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			console := New(Config{MaxImage: 1000}, &team{}, shelf{full: c.full}, nil, slog.New(slog.NewTextHandler(&log, nil)))
			ctx, leave := context.WithCancel(t.Context())
			defer leave()
			if c.gone {
				leave()
			}
			request := httptest.NewRequestWithContext(ctx, http.MethodPost, "/p/lamp/upload", strings.NewReader(c.body))
			request.Header.Set("Content-Type", parts.FormDataContentType())
			session(request)
			recorder := httptest.NewRecorder()
			console.ServeHTTP(recorder, request)
			if recorder.Code != c.status || !strings.Contains(recorder.Body.String(), c.want) || (log.Len() > 0) != c.logged {
				t.Errorf("got %d, want %d; logged %q:\n%s", recorder.Code, c.status, log.String(), recorder.Body)
			}
		})
	}
}
