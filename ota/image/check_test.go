package image

import (
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/muster-iot/muster/fleet"
)

func TestADamagedImageIsNotReadUntilItIsRepaired(t *testing.T) {
	d, err := OpenDirectory(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Repeat("firmware", 1000)
	staged, err := d.Stage(t.Context(), strings.NewReader(text), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	digest := staged.Digest
	if err := d.Commit(t.Context(), 1, staged, recorded); err != nil {
		t.Fatal(err)
	}
	name := d.path(1, digest)
	at := time.Unix(1_700_000_000, 0)
	write := func(text string) {
		t.Helper()
		at = at.Add(time.Second)
		if err := errors.Join(os.WriteFile(name, []byte(text), 0o600), os.Chtimes(name, at, at)); err != nil {
			t.Fatal(err)
		}
	}
	chunker := NewChunker(d, 0, 0)
	for _, row := range []struct {
		name  string
		text  string
		reads bool
	}{
		{"as it was uploaded", text, true},
		{"one bit flipped", "Firmware" + text[8:], false},
		{"repaired", text, true},
		{"cut off", text[:4000], false},
		{"repaired again", text, true},
	} {
		write(row.text)
		for range 2 {
			file, err := d.Open(t.Context(), 1, digest)
			if (err == nil) != row.reads || err != nil && !errors.Is(err, fleet.Unavailable) {
				t.Fatalf("%s: got %v, want it read: %v", row.name, err, row.reads)
			}
			if err == nil {
				if got, _ := io.ReadAll(file); string(got) != text {
					t.Errorf("%s: got %d other bytes", row.name, len(got))
				}
				_ = file.Close()
			}
		}
		chunker.cache = newCache(0, d) // an empty one
		if _, err := chunker.Source(1, digest, int64(len(text)), 128).Chunks(nil, nil, 0, 1); (err == nil) != row.reads {
			t.Errorf("%s: chunks: got %v, want them read: %v", row.name, err, row.reads)
		}
	}
}
