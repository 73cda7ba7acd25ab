package release

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/muster-iot/muster/fleet"
)

// madeBy is an image made by a vendor's tool (ota/metadata/testdata/vectors.py).
func madeBy(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("../metadata/testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestVersionIsTheOneTheImageStates(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name   string
		image  []byte
		label  string // "": none
		force  bool
		want   string // version of the firmware; "": refused
		forced bool
		says   []string // of a refusal
	}{
		{name: "none is given", image: madeBy(t, "esp32c3.bin"), want: "1.4.0-2-g0123abc"},
		{name: "the same is given", image: madeBy(t, "esp32c3.bin"), label: "1.4.0-2-g0123abc", want: "1.4.0-2-g0123abc"},
		{name: "the same is forced", image: madeBy(t, "mcuboot-unsigned.bin"), label: "7", force: true, want: "7"},
		{name: "a pre-release of MCUboot's", image: madeBy(t, "mcuboot.bin"), label: "1.4.2-rc.1", want: "1.4.2-rc.1"},
		{name: "another is given", image: madeBy(t, "mcuboot.bin"), label: "1.4.3", says: []string{`1.4.2 ("1.4.2+7")`, "not 1.4.3: upload it as 1.4.2", "force"}},
		{name: "another is forced", image: madeBy(t, "mcuboot.bin"), label: "1.4.3", force: true, want: "1.4.3", forced: true},
		{name: "none, and none is given", image: madeBy(t, "mcuboot-sha512.bin"), says: []string{"version is missing", "states none"}},
		{name: "none, one is given", image: madeBy(t, "mcuboot-sha512.bin"), label: "9", want: "9"},
		{name: "opaque, and none is given", image: []byte("image"), says: []string{"version is missing", "not in a format"}},
		{name: "opaque, forced", image: []byte("image"), label: "9", force: true, want: "9"},
		{name: "it exists already", image: madeBy(t, "mcuboot-unsigned.bin"), says: []string{"7.0.0 is uploaded already"}},
		{name: "damaged", image: madeBy(t, "esp32c3.bin")[:399], label: "9", force: true, says: []string{"damaged"}},
		{name: "Intel HEX", image: madeBy(t, "lamp.hex"), label: "9", force: true, says: []string{"objcopy"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := empty(t)
			if row.name == "it exists already" {
				w.AddFirmware("7.0.0", 100)
			}
			images, actions := w.ImageCount(), len(w.audited())
			order := fleet.Firmware{Product: product, Version: v(row.label), Forced: row.force}
			f, err := w.Upload(t.Context(), admin, order, bytes.NewReader(row.image))
			if row.want == "" {
				for _, text := range row.says {
					if err == nil || !strings.Contains(err.Error(), text) {
						t.Errorf("got %v, want %q in it", err, text)
					}
				}
				if !errors.Is(err, fleet.Invalid) && !errors.Is(err, fleet.Conflict) || w.ImageCount() != images || len(w.audited()) != actions {
					t.Errorf("got %v, %d images after %d, audit %v", err, w.ImageCount(), images, w.audited())
				}
				return
			}
			kept, ok := w.Catalog().Find(v(row.want))
			if err != nil || !ok || !reflect.DeepEqual(kept, f) || f.Version.String() != row.want || f.Forced != row.forced {
				t.Errorf("got %+v, %v, kept %+v; want version %s, forced %v", f, err, kept, row.want, row.forced)
			}
		})
	}
}

func TestMetadataIsKeptAndAudited(t *testing.T) {
	t.Parallel()
	w := empty(t)
	order := fleet.Firmware{Product: product, Version: v("9"), Forced: true}
	if _, err := w.Upload(t.Context(), admin, order, bytes.NewReader(madeBy(t, "mcuboot.bin"))); err != nil {
		t.Fatal(err)
	}
	list, err := w.Firmware(t.Context(), viewer, product)
	if err != nil || len(list) != 1 {
		t.Fatalf("got %+v, %v", list, err)
	}
	if m := list[0].Metadata; m.Format != fleet.FormatMCUboot || m.Version != "1.4.2+7" || m.Counter != 5 || !m.Signed || !list[0].Forced {
		t.Errorf("got %+v", list[0])
	}
	page, _, err := w.audit.Page(t.Context(), admin, fleet.AuditQuery{Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{`"format":"mcuboot"`, `"image_version":"1.4.2+7"`, `"version_forced":true`} {
		if !strings.Contains(page[0].After, text) {
			t.Errorf("the audit log has %s, want %s", page[0].After, text)
		}
	}
}
