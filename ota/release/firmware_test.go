package release

import (
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/index"
)

func TestUpload(t *testing.T) {
	for _, row := range []struct {
		name    string
		actor   fleet.Actor
		version string
		title   string
		image   string
		want    error
	}{
		{"an editor uploads", editor, "4", "new", "image", nil},
		{"a viewer may not", viewer, "4", "", "image", fleet.Denied},
		{"another team does not see the product", other, "4", "", "image", fleet.NotFound},
		{"the version is there", admin, "3", "", "image", fleet.Conflict},
		{"the version is there in another spelling", admin, "3.0.0", "", "image", fleet.Conflict},
		{"no version", admin, "", "", "image", fleet.Invalid},
		{"an unreadable version", admin, "x", "", "image", fleet.Invalid},
		{"empty", admin, "4", "", "", fleet.Invalid},
		{"over the limit", admin, "4", "", strings.Repeat("x", 101), fleet.TooLarge},
		{"title over the limit", admin, "4", strings.Repeat("x", MaxTitle+1), "image", fleet.Invalid},
		{"title with a zero byte", admin, "4", "a\x00b", "image", fleet.Invalid},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := shop(t, func(c *Config) { c.MaxImage = 100 })
			images := w.ImageCount()
			f, err := w.Upload(t.Context(), row.actor, fleet.Firmware{Product: product, Version: v(row.version), Title: row.title, WasReleased: true}, strings.NewReader(row.image))
			if !errors.Is(err, row.want) {
				t.Fatalf("got %v, want %v", err, row.want)
			}
			if row.want != nil {
				if w.ImageCount() != images {
					t.Error("an image was kept")
				}
				return
			}
			kept, ok := w.Catalog().Find(v("4"))
			if !ok || !reflect.DeepEqual(kept, f) || f.Size != 5 || f.Title != "new" || f.WasReleased || f.By != editor.Email || f.Uploaded.IsZero() {
				t.Errorf("got %+v, kept %+v", f, kept)
			}
		})
	}
}

func TestDeleteFirmware(t *testing.T) {
	for _, row := range []struct {
		name   string
		actor  fleet.Actor
		before func(*world)
		want   error
	}{
		{"never released", admin, func(*world) {}, nil},
		{"an editor may not", editor, func(*world) {}, fleet.Denied},
		{"released once", admin, func(w *world) {
			for _, is := range []bool{true, false} {
				if _, err := w.Release(w.T.Context(), admin, product, fleet.ReleaseOrder{Version: v("3"), Default: &is}); err != nil {
					w.T.Fatal(err)
				}
			}
		}, fleet.Conflict},
		{"locked somewhere", admin, func(w *world) { w.Device("x", "1", func(d *fleet.Device) { d.Lock = v("3.0.0") }) }, fleet.Conflict},
		{"the index is not built", admin, func(w *world) { w.index = index.New() }, fleet.Unavailable},
	} {
		w := shop(t)
		row.before(w)
		f, _ := w.Catalog().Find(v("3"))
		err := w.DeleteFirmware(t.Context(), row.actor, product, v("3"))
		_, there := w.Catalog().Find(v("3"))
		if !errors.Is(err, row.want) || there != (row.want != nil) || w.has(f.Digest) != there {
			t.Errorf("%s: got %v, still there: %v; want %v", row.name, err, there, row.want)
		}
	}
}

func TestAnImageSharedByTwoVersionsOutlivesOne(t *testing.T) {
	w := shop(t)
	for _, version := range []string{"4", "5"} {
		if _, err := w.Upload(t.Context(), admin, fleet.Firmware{Product: product, Version: v(version)}, strings.NewReader("same")); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.DeleteFirmware(t.Context(), admin, product, v("4")); err != nil {
		t.Fatal(err)
	}
	image, _, err := w.Image(t.Context(), editor, product, v("5"))
	if err != nil {
		t.Fatal(err)
	}
	if data, _ := io.ReadAll(image); string(data) != "same" {
		t.Errorf("got %q", data)
	}
}

// has reports whether an image is kept.
func (w *world) has(digest fleet.Digest) bool {
	_, err := os.Stat(w.ImageFile(digest))
	return err == nil
}

func TestAnImageDeletedWhileTheSameIsUploadedIsNotMissed(t *testing.T) {
	w := shop(t)
	if _, err := w.Upload(t.Context(), admin, fleet.Firmware{Product: product, Version: v("4")}, strings.NewReader("same")); err != nil {
		t.Fatal(err)
	}
	second, err := w.Begin(t.Context(), admin, product)
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	if err := second.Stage(t.Context(), strings.NewReader("same")); err != nil {
		t.Fatal(err)
	}
	if err := w.DeleteFirmware(t.Context(), admin, product, v("4")); err != nil {
		t.Fatal(err)
	}
	f, err := second.Commit(t.Context(), fleet.Firmware{Version: v("5")})
	if err != nil || !w.has(f.Digest) {
		t.Errorf("got %v, the image is kept: %t", err, w.has(f.Digest))
	}
}

func TestFirmwareListShowsOnlyWhatTheActorSees(t *testing.T) {
	w := shop(t)
	order := fleet.ReleaseOrder{Version: v("2"), Groups: groups(beta, eu), Default: flag(true)}
	if _, err := w.Release(t.Context(), admin, product, order); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		actor   fleet.Actor
		groups  string
		devices string // that run 3, 2, 1
	}{
		{admin, "[1 2]", "[0 1 7]"},
		{viewer, "[1]", "[0 1 6]"}, // not the one in eu alone
	} {
		list, err := w.Firmware(t.Context(), row.actor, product)
		if err != nil || len(list) != 3 || list[0].Version.String() != "3" {
			t.Fatalf("got %v, %v", list, err)
		}
		var devices []int
		for _, r := range list {
			devices = append(devices, r.Devices)
		}
		if fmt.Sprint(list[1].Groups) != row.groups || !list[1].Default || fmt.Sprint(devices) != row.devices {
			t.Errorf("%s: got groups %v, devices %v; want %s, %s", row.actor.Role, list[1].Groups, devices, row.groups, row.devices)
		}
	}
	w.index = index.New()
	if list, err := w.Firmware(t.Context(), admin, product); err != nil || list[0].Devices != unknown {
		t.Errorf("index not built: got %v, %v", list, err)
	}
}

func TestEditFirmware(t *testing.T) {
	w := shop(t)
	title, long := "better", strings.Repeat("x", MaxDescription+1)
	f, err := w.EditFirmware(t.Context(), admin, product, v("3.0.0"), fleet.FirmwareEdit{Title: &title})
	if err != nil || f.Title != title || f.Version.String() != "3" {
		t.Errorf("got %+v, %v", f, err)
	}
	for name, err := range map[string]error{
		"too long": second(w.EditFirmware(t.Context(), admin, product, v("3"), fleet.FirmwareEdit{Description: &long})),
		"editor":   second(w.EditFirmware(t.Context(), editor, product, v("3"), fleet.FirmwareEdit{Title: &title})),
		"absent":   second(w.EditFirmware(t.Context(), admin, product, v("9"), fleet.FirmwareEdit{Title: &title})),
	} {
		want := map[string]error{"too long": fleet.Invalid, "editor": fleet.Denied, "absent": fleet.NotFound}[name]
		if !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", name, err, want)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestAReleaseToAHiddenGroupShowsNowhere(t *testing.T) {
	w := shop(t)
	w.Default("1")
	for _, version := range []string{"2", "3"} { // 2 was released, 3 is
		if _, err := w.Release(t.Context(), admin, product, fleet.ReleaseOrder{Version: v(version), Groups: groups(eu)}); err != nil {
			t.Fatal(err)
		}
	}
	released := func(actor fleet.Actor) (versions string) {
		t.Helper()
		list, err := w.Firmware(t.Context(), actor, product)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range list {
			if f.WasReleased {
				versions += f.Version.String() + " "
			}
		}
		return versions
	}
	if got := released(viewer); strings.ContainsAny(got, "23") {
		t.Errorf("a viewer sees that %swere released; 2 and 3 were only for a hidden group", got)
	}
	if got := released(admin); !strings.Contains(got, "2") || !strings.Contains(got, "3") {
		t.Errorf("an admin sees that %swere released, want 2 and 3 in it", got)
	}
}
