package bucket

import (
	"bufio"
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/ota/image/s3"
)

// realWorld is a world whose bucket is a folder of a real S3 server.
func realWorld(t *testing.T) (w *world, folder string) {
	t.Helper()
	program, err := filepath.Abs("../../../.tools/bin/s3server")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(program); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("there is no S3 server to test with: %v (make test builds it)", err)
		}
		t.Skip("there is no S3 server to test with: build it by `make .tools/bin/s3server`")
	}
	for _, name := range []string{"AWS_REGION", "AWS_DEFAULT_REGION", "AWS_SESSION_TOKEN"} {
		t.Setenv(name, "")
	}
	t.Setenv("AWS_ACCESS_KEY_ID", "muster")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "a-secret-for-tests")
	root := filepath.Join(t.TempDir(), "root")
	folder = filepath.Join(root, "images")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), program, root)
	command.Stderr = os.Stderr
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Signal(syscall.SIGKILL)
		_ = command.Wait()
	})
	w = &world{t: t, catalog: fleet.Catalog{Firmware: make(map[string]fleet.Firmware)}}
	lines := bufio.NewScanner(out)
	for lines.Scan() && w.url == "" {
		if strings.HasPrefix(lines.Text(), "http://") {
			w.url = lines.Text()
		}
	}
	if w.url == "" {
		t.Fatal("the S3 server gave no address")
	}
	go func() { // nobody else reads what it prints
		for lines.Scan() {
		}
	}()
	return w, folder
}

func TestImagesOnARealS3Server(t *testing.T) {
	w, folder := realWorld(t)
	a, b := w.server(), w.server()
	for a.Start(t.Context()) != nil || a.Trouble() != nil { // it listens a moment after it said where
		if t.Context().Err() != nil {
			t.Fatal(a.Trouble())
		}
	}
	w.must(b.Start(t.Context()))
	large, small := firmware(5<<20+77, 1), firmware(1, 2)
	w.must(w.upload(a, "1", large))
	w.must(w.upload(b, "2", small))
	w.must(w.upload(b, "3", large))
	for _, s := range []*Store{a, b, w.server()} {
		w.sees(s, large)
		w.sees(s, small)
		w.must(s.Readable(t.Context(), product, w.version("1").Digest))
	}
	if names := w.objects(a); len(names) != 3 {
		t.Errorf("got %v, want 3 objects", names)
	}
	w.remove(b, "3")
	w.sees(w.server(), large)

	object := filepath.Join(folder, "muster", "a", filepath.FromSlash(w.version("1").Object))
	w.must(os.Truncate(object, 5<<20)) // behind the server's back
	err := w.blind(w.server(), large, fleet.Unavailable)
	if !strings.Contains(err.Error(), "damaged in the bucket") {
		t.Errorf("truncated: got %v", err)
	}
	w.must(os.WriteFile(object, large, 0o600))
	w.sees(w.server(), large)

	if removed, err := a.Collect(t.Context()); err != nil || removed != 0 {
		t.Errorf("collected %d, %v", removed, err)
	}
	if err := w.server(func(c *Config) { c.Owner = "store-2" }).Claim(t.Context()); !errors.Is(err, fleet.Conflict) {
		t.Errorf("another installation: got %v", err)
	}
	wrong := fleet.Digest{1}
	if err := a.config.Objects.Put(t.Context(), "1/wrong", bytes.NewReader(small), 1, wrong, false); err == nil {
		t.Error("the server took other bytes than those of the digest")
	}
	if _, err := a.config.Objects.Stat(t.Context(), "1/wrong"); !errors.Is(err, fleet.NotFound) {
		t.Errorf("and has them: %v", err)
	}
	w.must(a.config.Objects.Delete(t.Context(), "1/wrong"))
}

// TestWhatIsWrongWithABucketIsASentence runs on a real server: its errors are what a fake would
// make up.
func TestWhatIsWrongWithABucketIsASentence(t *testing.T) {
	w, _ := realWorld(t)
	for s := w.server(); s.Start(t.Context()) != nil || s.Trouble() != nil; {
		if t.Context().Err() != nil {
			t.Fatal(s.Trouble())
		}
	}
	for _, row := range []struct {
		name    string
		bucket  string
		env     [2]string
		url     string
		want    string
		starts  bool
		refused bool // by s3.Open
	}{
		{name: "as it should be", bucket: "images", starts: true},
		{name: "no such bucket", bucket: "absent", want: "the bucket absent does not exist"},
		{name: "another key", bucket: "images", env: [2]string{"AWS_ACCESS_KEY_ID", "stranger"}, want: "does not accept the keys"},
		{name: "another secret", bucket: "images", env: [2]string{"AWS_SECRET_ACCESS_KEY", "wrong"}, want: "does not accept the keys"},
		{name: "no keys", bucket: "images", env: [2]string{"AWS_SECRET_ACCESS_KEY", ""}, want: "set AWS_ACCESS_KEY_ID", refused: true},
		{name: "another region", bucket: "images", env: [2]string{"AWS_REGION", "eu-central-1"}, want: "is in another region"},
		{name: "nobody there", bucket: "images", url: "http://127.0.0.1:1", want: "does not answer as it should", starts: true},
		{name: "TLS that it does not speak", bucket: "images", url: strings.Replace(w.url, "http:", "https:", 1), want: "does not answer as it should", starts: true},
	} {
		t.Run(row.name, func(t *testing.T) {
			if row.env[0] != "" {
				t.Setenv(row.env[0], row.env[1])
			}
			if row.url == "" {
				row.url = w.url
			}
			objects, err := s3.Open(s3.Options{Bucket: row.bucket, Prefix: "muster/a", Endpoint: row.url})
			if row.refused {
				if err == nil || !strings.Contains(err.Error(), row.want) {
					t.Errorf("got %v", err)
				}
				return
			}
			w.must(err)
			s := w.server(func(c *Config) { c.Objects = objects })
			started := s.Start(t.Context())
			if (started == nil) != row.starts {
				t.Errorf("start: got %v", started)
			}
			err = s.Claim(t.Context())
			if (err == nil) != (row.want == "") {
				t.Fatalf("got %v, want %q", err, row.want)
			}
			if err != nil && (!strings.Contains(s3.Detail(err), row.want) || strings.Contains(err.Error(), "127.0.0.1")) {
				t.Errorf("got %v, in detail %s; want %q, and a text without hosts", err, s3.Detail(err), row.want)
			}
			if !row.starts && !strings.Contains(started.Error(), row.want) {
				t.Errorf("start: got %v, want %q", started, row.want)
			}
		})
	}
}
