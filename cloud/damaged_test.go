package cloud_test

import (
	"bytes"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/muster-iot/muster/cloud/cloudtest"
)

// A bit of an image's file flips on the disk: nobody downloads wrong bytes, and the answer says
// what to do. Once the file is right again, so is the download.
func TestADownloadOfADamagedImageIsRefusedWithASentence(t *testing.T) {
	t.Parallel()
	w := serve(t)
	w.UploadVersions(3000, 1)
	var name string
	if err := filepath.WalkDir(w.Config.Data, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		if info, err := e.Info(); err == nil && info.Size() == 3000 {
			name = path
		}
		return nil
	}); err != nil || name == "" {
		t.Fatalf("no image in %s: %v", w.Config.Data, err)
	}
	right := cloudtest.Must[[]byte](t)(os.ReadFile(name))
	wrong := bytes.Clone(right)
	wrong[1234] ^= 1
	download := func() (status int, body string) {
		request := cloudtest.Must[*http.Request](t)(http.NewRequestWithContext(t.Context(), http.MethodGet, w.URL("/v1/products/lamp/firmware/1/binary"), nil))
		request.Header.Set("Authorization", "Bearer "+w.Token())
		answer := cloudtest.Must[*http.Response](t)(http.DefaultClient.Do(request))
		defer answer.Body.Close()
		return answer.StatusCode, string(cloudtest.Must[[]byte](t)(io.ReadAll(answer.Body)))
	}
	replace(t, name, wrong)
	if status, body := download(); status != http.StatusServiceUnavailable || !strings.Contains(body, "is damaged") || !strings.Contains(body, "restore it from a backup") {
		t.Errorf("damaged: got %d %s", status, body)
	}
	replace(t, name, right)
	if status, body := download(); status != http.StatusOK || body != string(right) {
		t.Errorf("repaired: got %d and %d bytes", status, len(body))
	}
}

// replace puts another file in the place of name.
func replace(t *testing.T, name string, data []byte) {
	t.Helper()
	if err := os.WriteFile(name+".new", data, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(name+".new", name); err != nil {
		t.Fatal(err)
	}
}
