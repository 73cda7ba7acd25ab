package upload

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/fleet"
)

type part struct{ name, file, value string }

func multipartBody(t *testing.T, parts ...part) (contentType string, body []byte) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for _, p := range parts {
		var to io.Writer
		var err error
		if p.file != "" {
			to, err = w.CreateFormFile(p.name, p.file)
		} else {
			to, err = w.CreateFormField(p.name)
		}
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(to, p.value)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return w.FormDataContentType(), b.Bytes()
}

func TestUploadTellsTheClientsFaultFromTheDisks(t *testing.T) {
	contentType, body := multipartBody(t, part{"file", "f", "IMAGE"}, part{name: "version", value: "7"})
	_, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		t.Fatal(err)
	}
	taking, err := os.Create(filepath.Join(t.TempDir(), "image"))
	if err != nil {
		t.Fatal(err)
	}
	defer taking.Close()
	refusing, err := os.Open(taking.Name()) // for reading alone: every write fails, as on a full disk
	if err != nil {
		t.Fatal(err)
	}
	defer refusing.Close()
	cut, _, _ := bytes.Cut(body, []byte("AGE"))
	for name, row := range map[string]struct {
		body   []byte
		image  *os.File
		status int
	}{
		"a body cut within the image": {cut, taking, http.StatusBadRequest},
		"a disk that takes no more":   {body, refusing, http.StatusInternalServerError},
	} {
		_, err := readUpload(multipart.NewReader(bytes.NewReader(row.body), params["boundary"]), accept, onto(row.image))
		if p := api.ProblemOf(err); p.Status != row.status || strings.Contains(p.Description, row.image.Name()) {
			t.Errorf("%s: got %d %s, want %d", name, p.Status, p.Description, row.status)
		}
	}
}

// accept takes every firmware, also one that no product could have.
func accept(fleet.Firmware) error { return nil }

// onto stages images in w.
func onto(w io.Writer) func(io.Reader) error {
	return func(image io.Reader) error {
		_, err := io.Copy(w, image)
		return err
	}
}

func FuzzImportParts(f *testing.F) {
	for _, seed := range partSeeds {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		var b DevicesBody
		if err := b.readParts(multipart.NewReader(strings.NewReader(body), "b")); !clients(err) {
			t.Fatalf("%q: %v", body, err)
		}
	})
}

func FuzzUploadParts(f *testing.F) {
	for _, seed := range partSeeds {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		got, err := readUpload(multipart.NewReader(bytes.NewReader([]byte(body)), "b"), accept, onto(io.Discard))
		if !clients(err) {
			t.Fatalf("%q: %v", body, err)
		}
		if err == nil && (got.Version.IsZero() || strings.ContainsAny(got.File, `/\`)) {
			t.Fatalf("%q: got %+v", body, got)
		}
	})
}

var partSeeds = []string{
	"--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"../x.bin\"\r\n\r\nimage\r\n--b\r\nContent-Disposition: form-data; name=\"version\"\r\n\r\n7\r\n--b--\r\n",
	"--b\r\nContent-Disposition: form-data; name=\"groups\"\r\n\r\nbeta,eu\r\n--b--\r\n",
	"--b\r\nContent-Disposition: form-data; name=\"groups[]\"\r\n\r\n\xff\r\n--b--\r\n",
	"--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--",
	"--b\r\n\r\n", "--b--\r\n", "",
}

// clients reports whether err, if any, blames the client.
func clients(err error) bool {
	var p *api.Problem
	return err == nil || errors.As(err, &p) && p.Status < http.StatusInternalServerError || errors.Is(err, fleet.Invalid)
}
