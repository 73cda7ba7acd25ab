package spool

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/muster-iot/muster/fleet"
)

func openSlots(t *testing.T, path string) (*Slots, []string) {
	t.Helper()
	s, left, err := OpenSlots(path)
	check(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s, slices.Sorted(maps.Values(left))
}

func TestWhatIsInASlotOutlivesTheProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "slots")
	s, left := openSlots(t, path)
	if len(left) != 0 {
		t.Errorf("a new file: got %q", left)
	}
	slots := map[string]int{}
	for _, text := range []string{"one", "two", strings.Repeat("x", MaxSlot)} {
		slot, err := s.Put(text)
		check(t, err)
		slots[text] = slot
	}
	s.Clear(slots["one"])
	if _, left = openSlots(t, path); !slices.Equal(left, []string{"two", strings.Repeat("x", MaxSlot)}) { // the first was killed
		t.Errorf("got %.20q", left)
	}
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	check(t, err)
	defer file.Close()
	_, err = file.WriteAt([]byte("!"), int64(slots["two"])*slotSize+10) // torn by a power failure
	check(t, err)
	if _, left = openSlots(t, path); len(left) != 1 {
		t.Errorf("a torn slot: got %.20q", left)
	}
	if _, err := s.Put(strings.Repeat("x", MaxSlot+1)); err == nil {
		t.Error("a text that is too long was put")
	}
}

func TestSlotsAreBoundedAndUsedAgain(t *testing.T) {
	s, _ := openSlots(t, filepath.Join(t.TempDir(), "slots"))
	s.free = s.free[:2]
	first, err := s.Put("one")
	check(t, err)
	_, err = s.Put("two")
	check(t, err)
	if _, err := s.Put("three"); !errors.Is(err, fleet.Busy) {
		t.Errorf("got %v, want Busy", err)
	}
	s.Clear(first)
	_, err = s.Put("three")
	check(t, err)
}
