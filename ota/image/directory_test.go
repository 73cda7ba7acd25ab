package image

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/muster-iot/muster/fleet"
)

const product fleet.ProductID = 1

func directory(t testing.TB) (*Directory, string) {
	t.Helper()
	root := filepath.Join(t.TempDir(), "images")
	d, err := OpenDirectory(root, nil)
	if err != nil {
		t.Fatal(err)
	}
	return d, root
}

// recorded records nothing, with success.
func recorded(string) error { return nil }

// put keeps data as an image of product.
func (d *Directory) put(ctx context.Context, r io.Reader, limit int64) (*Staged, error) {
	s, err := d.Stage(ctx, r, limit)
	if err != nil {
		return nil, err
	}
	return s, d.Commit(ctx, product, s, recorded)
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
	s, err := d.put(t.Context(), bytes.NewReader(data), int64(len(data)))
	if err != nil || s.Size != int64(len(data)) || s.Digest != fleet.Digest(sha256.Sum256(data)) {
		t.Fatalf("got %+v, %v", s, err)
	}
	digest := s.Digest
	again, err := OpenDirectory(root, nil) // as after a restart
	if err != nil {
		t.Fatal(err)
	}
	image, err := again.Open(t.Context(), product, digest)
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
	if _, err := d.Open(t.Context(), product+1, digest); !errors.Is(err, fleet.NotFound) {
		t.Errorf("another product: got %v, want not found", err)
	}
	for range 2 {
		if err := d.Delete(t.Context(), product, digest, ""); err != nil {
			t.Error(err)
		}
	}
	if _, err := d.Open(t.Context(), product, digest); !errors.Is(err, fleet.NotFound) {
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
		if _, err := d.Stage(row.ctx, row.r, 100); !errors.Is(err, row.want) {
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
	kept, err := d.put(t.Context(), bytes.NewReader([]byte("kept")), 100)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "incoming-123"), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenDirectory(root, nil); err != nil {
		t.Fatal(err)
	}
	if left := files(t, root); len(left) != 1 || left[0] != d.path(product, kept.Digest) {
		t.Errorf("got %v, want the kept image only", left)
	}
}

func TestDirectoryLeavesTheUploadsOfOthersAlone(t *testing.T) {
	d, root := directory(t)
	s, err := d.Stage(t.Context(), bytes.NewReader([]byte("image")), 100)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := OpenDirectory(root, nil); err != nil { // as another server would
		t.Fatal(err)
	}
	if err := d.Commit(t.Context(), product, s, recorded); err != nil {
		t.Errorf("after another start: %v", err)
	}
}

func TestAStagedImageIsPartOfNoProduct(t *testing.T) {
	d, root := directory(t)
	s, err := d.Stage(t.Context(), bytes.NewReader([]byte("image")), 100)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Open(t.Context(), product, s.Digest); !errors.Is(err, fleet.NotFound) {
		t.Errorf("before Commit: got %v, want not found", err)
	}
	for range 2 {
		d.Discard(s)
	}
	if left := files(t, root); len(left) != 0 {
		t.Errorf("after Discard: left %v", left)
	}
	if s, err = d.put(t.Context(), bytes.NewReader([]byte("image")), 100); err != nil {
		t.Fatal(err)
	}
	if d.Discard(s); len(files(t, root)) != 1 {
		t.Error("Discard after Commit removed the image")
	}
}

func TestWhatCannotBeCommittedLeavesNoFile(t *testing.T) {
	d, root := directory(t)
	s, err := d.Stage(t.Context(), bytes.NewReader([]byte("image")), 100)
	if err != nil {
		t.Fatal(err)
	}
	inTheWay := filepath.Join(root, product.String())
	if err := os.WriteFile(inTheWay, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := d.Commit(t.Context(), product, s, recorded); err == nil {
		t.Error("committed to a folder that can't exist")
	}
	if left := files(t, root); len(left) != 1 || left[0] != inTheWay {
		t.Errorf("left %v", left)
	}
}

// versions are the records of a catalog with these versions.
func versions(all ...fleet.Firmware) Records {
	return func(context.Context, fleet.ProductID) (*fleet.Catalog, error) {
		c := &fleet.Catalog{Firmware: make(map[string]fleet.Firmware)}
		for _, f := range all {
			c.Firmware[f.Version.Key()] = f
		}
		return c, nil
	}
}

func TestAnImageAndItsVersionAppearTogether(t *testing.T) {
	for _, row := range []struct {
		name    string
		err     error
		records Records
		kept    bool
	}{
		{"recorded", nil, nil, true},
		{"not recorded", fleet.Errorf(fleet.Conflict, "the version is there"), versions(), false},
		{"perhaps recorded", fleet.Errorf(fleet.Unavailable, "no answer"), versions(), true},
		{"not recorded, but another version has it", fleet.Errorf(fleet.Conflict, "the version is there"), versions(fleet.Firmware{
			Version: fleet.WholeVersion(1), Digest: sha256.Sum256([]byte("image")),
		}), true},
	} {
		d, root := directory(t)
		d.records = row.records
		s, err := d.Stage(t.Context(), bytes.NewReader([]byte("image")), 100)
		if err != nil {
			t.Fatal(err)
		}
		err = d.Commit(t.Context(), product, s, func(object string) error {
			if _, err := os.Stat(d.path(product, s.Digest)); err != nil || object != "" {
				t.Errorf("%s: recorded as %q before it is there: %v", row.name, object, err)
			}
			return row.err
		})
		if left := files(t, root); !errors.Is(err, row.err) || (len(left) == 1) != row.kept {
			t.Errorf("%s: got %v, left %v; want it kept: %t", row.name, err, left, row.kept)
		}
	}
}

func TestAnImageInABucketIsMissedWithASentence(t *testing.T) {
	d, _ := directory(t)
	digest := fleet.Digest{1}
	d.records = versions(fleet.Firmware{Version: fleet.WholeVersion(1), Digest: digest, Object: "1/01-nonce"})
	if _, err := d.Open(t.Context(), product, digest); !errors.Is(err, fleet.NotFound) || !strings.Contains(err.Error(), "images.url") {
		t.Errorf("got %v, want how to get at it", err)
	}
}

func TestImagesWithoutARecordAreCollectedAfterADay(t *testing.T) {
	d, root := directory(t)
	var digests []fleet.Digest
	for _, text := range []string{"recorded", "orphan", "orphan of today"} {
		s, err := d.put(t.Context(), bytes.NewReader([]byte(text)), 100)
		if err != nil {
			t.Fatal(err)
		}
		digests = append(digests, s.Digest)
	}
	for _, digest := range digests[:2] {
		long := time.Now().Add(-25 * time.Hour)
		if err := os.Chtimes(d.path(product, digest), long, long); err != nil {
			t.Fatal(err)
		}
	}
	d.records = func(context.Context, fleet.ProductID) (*fleet.Catalog, error) { return nil, errors.New("no answer") }
	if removed, err := d.Collect(t.Context()); err == nil || removed != 0 {
		t.Errorf("removed %d, %v although the records can't be read", removed, err)
	}
	d.records = versions(fleet.Firmware{Version: fleet.WholeVersion(1), Digest: digests[0]})
	if removed, err := d.Collect(t.Context()); err != nil || removed != 1 {
		t.Errorf("removed %d, %v, want 1", removed, err)
	}
	if left := files(t, root); len(left) != 2 {
		t.Errorf("left are %v", left)
	}
}

func TestAnImageForWhichThereIsNoRoomIsRefused(t *testing.T) {
	d, root := directory(t)
	left := int64(3 << 20)
	d.Reserve(func(n int64) error {
		if left -= n; left < 0 {
			return fleet.Errorf(fleet.NoSpace, "almost full")
		}
		return nil
	})
	if _, err := d.Stage(t.Context(), bytes.NewReader(make([]byte, 8<<20)), 10<<20); !errors.Is(err, fleet.NoSpace) {
		t.Errorf("got %v, want no space", err)
	}
	if left := files(t, root); len(left) != 0 {
		t.Errorf("left are %v", left)
	}
}
