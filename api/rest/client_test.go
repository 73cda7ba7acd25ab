package rest_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/fleet"
)

func TestClientStreamsImages(t *testing.T) {
	t.Parallel()
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

func TestUploadTakesTheVersionOfTheImage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	image, err := os.ReadFile("../../ota/metadata/testdata/mcuboot.bin")
	if err != nil {
		t.Fatal(err)
	}
	upload := func(f api.NewFirmware) (api.Firmware, error) {
		return w.Upload(t.Context(), "lamp", f, bytes.NewReader(image))
	}
	f, err := upload(api.NewFirmware{Title: "From the image"})
	want := &api.Metadata{Format: "mcuboot", Version: "1.4.2+7", Depends: "image 1 >= 2.0.1", Counter: 5, Signed: true}
	if diff := cmp.Diff(want, f.Metadata); err != nil || f.Version.String() != "1.4.2" || f.Forced || diff != "" {
		t.Errorf("got %+v, %v\n%s", f, err, diff)
	}
	if _, err := upload(api.NewFirmware{Version: shownVersion("8.0.0")}); !errors.Is(err, fleet.Invalid) || !strings.Contains(err.Error(), "states version 1.4.2") {
		t.Errorf("another version: got %v, want an error of kind %v", err, fleet.Invalid)
	}
	if f, err := upload(api.NewFirmware{Version: shownVersion("8.0.0"), ForceVersion: true}); err != nil || f.Version.String() != "8.0.0" || !f.Forced {
		t.Errorf("another version, forced: got %+v, %v", f, err)
	}
}

func TestUploadTakesConditions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	requires, err := fleet.ParseRange(">=1.4.0 <2.0.0")
	if err != nil {
		t.Fatal(err)
	}
	order := api.NewFirmware{Version: shownVersion("8"), Hardware: []string{"rev-b", "rev-c"}, Requires: requires, Floor: 3}
	f, err := w.Upload(t.Context(), "lamp", order, strings.NewReader("IMAGE"))
	if err != nil || strings.Join(f.Hardware, " ") != "rev-b rev-c" || f.Requires != ">=1.4.0 <2.0.0" || f.Floor != 3 {
		t.Errorf("got %+v, %v", f, err)
	}
	edit := api.FirmwareFields{Hardware: &api.Names{}, Requires: new("<2")}
	if f, err = w.EditFirmware(t.Context(), "lamp", shownVersion("8"), edit); err != nil || len(f.Hardware) > 0 || f.Requires != "<2" || f.Floor != 3 {
		t.Errorf("edited: got %+v, %v", f, err)
	}
	edit = api.FirmwareFields{Requires: new("1.4.0")}
	if _, err := w.EditFirmware(t.Context(), "lamp", shownVersion("8"), edit); !errors.Is(err, fleet.Invalid) || !strings.Contains(err.Error(), "write a range as") {
		t.Errorf("a version for a range: got %v", err)
	}
}

// TestClientUploadEndsWhenRefused: the server may answer before it read everything.
func TestClientUploadEndsWhenRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	long := strings.NewReader(strings.Repeat("x", 10<<20))
	if _, err := w.Upload(t.Context(), "nope", api.NewFirmware{Version: shownVersion("8")}, long); err == nil {
		t.Error("an upload to an unknown product went through")
	}
}
