package rest_test

import (
	"io"
	"strings"
	"testing"

	"github.com/muster-iot/muster/api"
)

func TestClientStreamsImages(t *testing.T) {
	w := newWorld(t)
	f, err := w.Upload(t.Context(), "lamp", api.NewFirmware{Version: shownVersion("8"), Title: "Eight"}, strings.NewReader("IMAGE"))
	if err != nil || f.Version.String() != "8" || f.Name != "firmware.bin" {
		t.Errorf("upload: got %+v, %v", f, err)
	}
	image, err := w.Download(t.Context(), "lamp", shownVersion("8"))
	if err != nil {
		t.Fatal(err)
	}
	defer image.Close()
	if data, err := io.ReadAll(image); err != nil || string(data) != "IMAGE" {
		t.Errorf("download: got %q, %v", data, err)
	}
}

// TestClientUploadEndsWhenRefused: the server may answer before it read everything.
func TestClientUploadEndsWhenRefused(t *testing.T) {
	w := newWorld(t)
	long := strings.NewReader(strings.Repeat("x", 10<<20))
	if _, err := w.Upload(t.Context(), "nope", api.NewFirmware{Version: shownVersion("8")}, long); err == nil {
		t.Error("an upload to an unknown product went through")
	}
}
