package console

import (
	"bytes"
	"crypto/sha256"
	"mime/multipart"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/muster-iot/muster/fleet"
)

// preview sends a list to import and returns the page that follows.
func (w *world) preview(form url.Values) (address, page string) {
	w.t.Helper()
	answer := w.post("/p/lamp/devices/import", form)
	if address = answer.Header.Get("Location"); address == "" {
		w.t.Fatalf("got %d: %s", answer.StatusCode, body(w.t, answer))
	}
	return address, body(w.t, w.send(http.MethodGet, address, nil, w.signed))
}

// imports carries out a preview and returns the page that follows.
func (w *world) imports(address string) string {
	w.t.Helper()
	_, key, _ := strings.Cut(address, plan+"=")
	answer := w.post("/p/lamp/devices/import/run", url.Values{plan: {key}})
	if answer.StatusCode != http.StatusSeeOther {
		w.t.Fatalf("got %d: %s", answer.StatusCode, body(w.t, answer))
	}
	return body(w.t, w.send(http.MethodGet, answer.Header.Get("Location"), nil, w.signed))
}

func (w *world) devices() (ids []fleet.DeviceID) {
	w.t.Helper()
	for _, d := range must[fleet.DeviceViews](w.t)(w.registry.Devices(w.t.Context(), owner, fleet.DeviceQuery{Actor: owner, Product: 1, Limit: 100})).Devices {
		ids = append(ids, d.ID.In(0))
	}
	return ids
}

func TestImportShowsWhatAListMeansBeforeItWrites(t *testing.T) {
	for name, c := range map[string]struct {
		text     string
		preview  []string
		imported []fleet.DeviceID
	}{
		"ids":             {"a\r\nb\n\n  c  \n", []string{"Import 3 devices?", "each line is an id"}, []fleet.DeviceID{"a", "b", "c"}},
		"ids of one line": {"a,b, c,", []string{"Import 3 devices?"}, []fleet.DeviceID{"a", "b", "c"}},
		"a spreadsheet":   {"device_id;name;location;groups\nlamp-1;Hall;Berlin;beta\n", []string{"Import 1 device?", "are ignored: location", "new groups: beta", "Hall"}, []fleet.DeviceID{"lamp-1"}},
		"a bad line":      {"good-1\nbad id\ngood-2", []string{"1 line can't be imported", "bad id"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			w := withLamp(t)
			address, page := w.preview(url.Values{"ids": {c.text}})
			for _, want := range c.preview {
				if !strings.Contains(page, want) {
					t.Errorf("the preview lacks %q:\n%s", want, page)
				}
			}
			if got := w.devices(); got != nil {
				t.Errorf("the preview imported %q", got)
			}
			if c.imported == nil {
				_, key, _ := strings.Cut(address, plan+"=")
				if answer := w.post("/p/lamp/devices/import/run", url.Values{plan: {key}}); answer.StatusCode != http.StatusUnprocessableEntity {
					t.Errorf("a list with a bad line: got %d, want 422", answer.StatusCode)
				}
			} else if page := w.imports(address); !strings.Contains(page, "imported</h1>") {
				t.Errorf("the outcome:\n%s", page)
			}
			if got := w.devices(); !slices.Equal(got, c.imported) {
				t.Errorf("imported %q, want %q", got, c.imported)
			}
		})
	}
}

func TestImportRefusesAListThatIsNotClear(t *testing.T) {
	w := withLamp(t)
	for text, want := range map[string]string{
		"":                                   "Write one on each line",
		"lamp-1,Berlin\nlamp-2,Rome":         "no heading says what they are",
		"a," + strings.Repeat("s", 43):       "this is a file of devices and their secrets",
		"id,name\n\"lamp-1,Hall\nlamp-2,x\n": "a quotation mark",
	} {
		answer := w.post("/p/lamp/devices/import", url.Values{"ids": {text}})
		if page := body(t, answer); answer.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(strings.ToLower(page), strings.ToLower(want)) {
			t.Errorf("%q: got %d, want 422 with %q:\n%s", text, answer.StatusCode, want, page)
		}
	}
	if got := w.devices(); got != nil {
		t.Errorf("imported %q", got)
	}
}

func TestImportKeepsTheSecretsOfAFile(t *testing.T) {
	w := withLamp(t)
	const secret = "0123456789abcdef"
	address, page := w.preview(url.Values{"ids": {"id,secret\nlamp-1," + secret + "\nlamp-2,\n"}})
	if !strings.Contains(page, "1 device with a secret of their own") || strings.Contains(page, secret) {
		t.Errorf("the preview does not say so, or shows it:\n%s", page)
	}
	page = w.imports(address)
	if !strings.Contains(page, "1 device keeps its own secret") || strings.Contains(page, secret) || !strings.Contains(page, "<td><code>lamp-2</code></td>") {
		t.Errorf("the outcome:\n%s", page)
	}
	if d := must[fleet.Device](t)(w.store.Devices.Device(t.Context(), "1/lamp-1")); d.Secret != sha256.Sum256([]byte(secret)) {
		t.Errorf("lamp-1 has another secret: %x", d.Secret)
	}
}

func TestImportReadsAnUploadedFile(t *testing.T) {
	w := withLamp(t)
	upload := func(text string) *http.Response {
		var data bytes.Buffer
		parts := multipart.NewWriter(&data)
		_ = parts.WriteField("ids", text)
		file, err := parts.CreateFormFile("file", "devices.csv")
		if err != nil {
			t.Fatal(err)
		}
		_, _ = file.Write([]byte("\xff\xfei\x00d\x00\n\x00x\x00"))
		_ = parts.Close()
		return w.send(http.MethodPost, "/p/lamp/devices/import", nil, w.signed, header("Content-Type", parts.FormDataContentType()), withBody(&data))
	}
	if page := w.imports(upload("").Header.Get("Location")); !strings.Contains(page, "1 device imported") || !slices.Equal(w.devices(), []fleet.DeviceID{"x"}) {
		t.Errorf("imported %q:\n%s", w.devices(), page)
	}
	if page := body(t, upload("y")); !strings.Contains(page, "use one of them") {
		t.Errorf("a list and a file: %s", page)
	}
}

func TestAPreviewIsCarriedOutOnce(t *testing.T) {
	w := withLamp(t)
	address, _ := w.preview(url.Values{"ids": {"a"}})
	w.imports(address)
	_, key, _ := strings.Cut(address, plan+"=")
	if answer := w.post("/p/lamp/devices/import/run", url.Values{plan: {key}}); answer.Header.Get("Location") != "/p/lamp/devices/import" {
		t.Errorf("the second time: got %d to %q", answer.StatusCode, answer.Header.Get("Location"))
	}
	if answer := w.send(http.MethodGet, address, nil, w.signed); answer.Header.Get("Location") != "/p/lamp/devices/import" {
		t.Errorf("the preview after it: got %d to %q", answer.StatusCode, answer.Header.Get("Location"))
	}
}
