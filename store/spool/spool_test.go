package spool

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/muster-iot/muster/fleet"
)

func open(t *testing.T, path string) *Spool {
	t.Helper()
	s, err := Open(path, 4096)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestLinesOutliveTheProcessUntilTheyAreDropped(t *testing.T) {
	path := filepath.Join(t.TempDir(), "spool")
	s := open(t, path)
	for _, line := range []string{"one", "two", "three"} {
		check(t, s.Add(line))
	}
	again := open(t, path) // the first was killed
	if got := again.Lines(); !slices.Equal(got, []string{"one", "two", "three"}) {
		t.Errorf("got %q", got)
	}
	check(t, again.Drop(2))
	check(t, again.Add("four"))
	if got := open(t, path).Lines(); !slices.Equal(got, []string{"three", "four"}) {
		t.Errorf("got %q", got)
	}
}

func TestATornLineIsLeftOut(t *testing.T) {
	path := filepath.Join(t.TempDir(), "spool")
	s := open(t, path)
	check(t, s.Add("one"))
	check(t, s.Add("two"))
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	check(t, err)
	_, err = file.WriteAt([]byte("\n"), int64(len(framed("one"))+5))
	check(t, err)
	check(t, file.Close())
	if got := open(t, path).Lines(); !slices.Equal(got, []string{"one"}) {
		t.Errorf("got %q", got)
	}
}

func TestAFullFileTakesNoMore(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "spool"))
	for range 100 {
		if err := s.Add(string(make([]byte, 100))); err != nil {
			if !errors.Is(err, fleet.Busy) {
				t.Errorf("got %v, want busy", err)
			}
			return
		}
	}
	t.Error("a file of 4096 bytes took 100 lines of 100")
}
