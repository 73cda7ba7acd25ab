package ota

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/muster-iot/muster/fleet"
)

func directory(t *testing.T) (*Directory, string) {
	t.Helper()
	root := filepath.Join(t.TempDir(), "images")
	d, err := OpenDirectory(root)
	if err != nil {
		t.Fatal(err)
	}
	return d, root
}

// files are the regular files below root.
func files(t *testing.T, root string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, e os.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			names = append(names, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestDirectoryGivesBackWhatItWasGiven(t *testing.T) {
	d, root := directory(t)
	data := bytes.Repeat([]byte("firmware "), 100_000)
	digest, size, err := d.Put(t.Context(), product, bytes.NewReader(data), int64(len(data)))
	if err != nil || size != int64(len(data)) || digest != fleet.Digest(sha256.Sum256(data)) {
		t.Fatalf("got %s, %d bytes, %v", digest, size, err)
	}
	again, err := OpenDirectory(root) // as after a restart
	if err != nil {
		t.Fatal(err)
	}
	image, err := again.Open(product, digest)
	if err != nil {
		t.Fatal(err)
	}
	defer image.Close()
	part := make([]byte, 9)
	if _, err := image.ReadAt(part, 9*99_999); err != nil || string(part) != "firmware " {
		t.Errorf("at the end: got %q, %v", part, err)
	}
	if got, err := io.ReadAll(image); err != nil || !bytes.Equal(got, data) {
		t.Errorf("got %d bytes, %v", len(got), err)
	}
	if _, err := d.Open(product+1, digest); !errors.Is(err, fleet.NotFound) {
		t.Errorf("another product: got %v, want not found", err)
	}
	for range 2 {
		if err := d.Delete(product, digest); err != nil {
			t.Error(err)
		}
	}
	if _, err := d.Open(product, digest); !errors.Is(err, fleet.NotFound) {
		t.Errorf("deleted: got %v, want not found", err)
	}
}

func TestDirectoryKeepsNothingOfWhatItRefuses(t *testing.T) {
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, row := range []struct {
		name string
		ctx  context.Context
		r    io.Reader
		want error
	}{
		{"empty", t.Context(), bytes.NewReader(nil), fleet.Invalid},
		{"over the limit", t.Context(), bytes.NewReader(make([]byte, 101)), fleet.TooLarge},
		{"endless", t.Context(), endless{}, fleet.TooLarge},
		{"broken off", t.Context(), io.MultiReader(bytes.NewReader(make([]byte, 50)), brokenOff{}), io.ErrUnexpectedEOF},
		{"given up", canceled, bytes.NewReader(make([]byte, 50)), context.Canceled},
	} {
		d, root := directory(t)
		if _, _, err := d.Put(row.ctx, product, row.r, 100); !errors.Is(err, row.want) {
			t.Errorf("%s: got %v, want %v", row.name, err, row.want)
		}
		if left := files(t, root); len(left) != 0 {
			t.Errorf("%s: left %v", row.name, left)
		}
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

type brokenOff struct{}

func (brokenOff) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestDirectoryRemovesWhatAnInterruptedUploadLeft(t *testing.T) {
	d, root := directory(t)
	digest, _, err := d.Put(t.Context(), product, bytes.NewReader([]byte("kept")), 100)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "incoming-123"), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenDirectory(root); err != nil {
		t.Fatal(err)
	}
	if left := files(t, root); len(left) != 1 || left[0] != d.path(product, digest) {
		t.Errorf("got %v, want the kept image only", left)
	}
}
