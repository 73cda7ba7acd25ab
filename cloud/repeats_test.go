package cloud_test

import (
	"bytes"
	"encoding/base64"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/api/client"
	"github.com/muster-iot/muster/cloud/cloudtest"
)

// TestARepeatGetsTheFirstAnswerAfterTheServerWasKilled imports a device and asks again of a
// server that was killed meanwhile, with a real Redis: the secret is shown once more, and
// is nowhere in what the server keeps.
func TestARepeatGetsTheFirstAnswerAfterTheServerWasKilled(t *testing.T) {
	t.Parallel()
	p := cloudtest.Spawn(t)
	operator, token, err := client.SignIn(t.Context(), p.URL, cloudtest.OwnerEmail, cloudtest.OwnerPassword)
	if err != nil {
		t.Fatal(err)
	}
	cloudtest.Must[api.Product](t)(operator.CreateProduct(t.Context(), "Lamp", cloudtest.Lamp))
	order := func(secret, key string) (*http.Response, string) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.URL+"/v1/products/lamp/devices", strings.NewReader(`{"ids":["a","b"]}`))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", asJSON)
		r.Header.Set("Authorization", "Bearer "+secret)
		r.Header.Set("Idempotency-Key", key)
		answer := cloudtest.Must[*http.Response](t)(http.DefaultClient.Do(r))
		defer answer.Body.Close()
		return answer, string(cloudtest.Must[[]byte](t)(io.ReadAll(answer.Body)))
	}
	first, body := order(token.AccessToken, "import-1")
	_, secret, shown := strings.Cut(body, `"secrets":{"a":"`)
	if first.StatusCode != http.StatusOK || !shown || len(secret) < 43 {
		t.Fatalf("got %d %s", first.StatusCode, body)
	}
	secret = secret[:43]
	p.Kill()
	p.Start()
	again, same := order(token.AccessToken, "import-1")
	if again.StatusCode != http.StatusOK || same != body || again.Header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("the same again: got %d %s", again.StatusCode, same)
	}
	if other, body := order(token.AccessToken, "import-2"); other.StatusCode != http.StatusOK || strings.Contains(body, secret) {
		t.Errorf("another key: got %d %s", other.StatusCode, body)
	}
	_, another, err := client.SignIn(t.Context(), p.URL, cloudtest.OwnerEmail, cloudtest.OwnerPassword)
	if err != nil {
		t.Fatal(err)
	}
	if _, body := order(another.AccessToken, "import-1"); strings.Contains(body, secret) {
		t.Errorf("another token with the same key: got %s", body)
	}
	p.Kill()
	files := 0
	err = filepath.WalkDir(p.Folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		files++
		data := cloudtest.Must[[]byte](t)(os.ReadFile(path))
		for _, text := range []string{secret, base64.StdEncoding.EncodeToString([]byte(secret)), token.AccessToken} {
			if bytes.Contains(data, []byte(text)) {
				t.Errorf("a secret is in %s", filepath.Base(path))
			}
		}
		return nil
	})
	if err != nil || files == 0 {
		t.Errorf("looked into %d files: %v", files, err)
	}
}
