package spool

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"sync"

	"github.com/muster-iot/muster/fleet"
)

const (
	slotSize  = 512 // bytes of a slot on disk
	slotCount = 1024

	// MaxSlot is the longest text of a slot, in bytes.
	MaxSlot = slotSize - 10
)

// Slots is a file of short texts that are there only for a moment: what is left in it when it is
// opened was there when a process ended. It has its full size from the start. It is safe for
// concurrent use.
type Slots struct {
	file *os.File

	mu   sync.Mutex
	free []int // guarded by mu
}

// OpenSlots opens or creates the file path, and returns the texts that are left in it, by slot. One
// process at a time may have it open.
func OpenSlots(path string) (*Slots, map[int]string, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, nil, fmt.Errorf("slots: %w", err)
	}
	data := make([]byte, slotSize*slotCount)
	n, err := file.ReadAt(data, 0)
	if n < len(data) {
		copy(data[n:], bytes.Repeat([]byte("\n"), len(data)-n))
		if _, err = file.WriteAt(data[n:], int64(n)); err == nil {
			err = file.Sync()
		}
	}
	if err != nil {
		_ = file.Close()
		return nil, nil, fmt.Errorf("slots: %w", err)
	}
	s, left := &Slots{file: file}, make(map[int]string)
	for slot := range slotCount {
		line, _, _ := strings.Cut(string(data[slot*slotSize:(slot+1)*slotSize]), "\n")
		if text, ok := unframed(line); ok {
			left[slot] = text
		} else {
			s.free = append(s.free, slot)
		}
	}
	return s, left, nil
}

// Put puts text, which has no line break, into a slot, durably. It returns fleet.Busy when no slot
// is free.
func (s *Slots) Put(text string) (slot int, err error) {
	if len(text) > MaxSlot {
		return 0, fmt.Errorf("slots: %d bytes are more than %d", len(text), MaxSlot)
	}
	s.mu.Lock()
	if len(s.free) == 0 {
		s.mu.Unlock()
		return 0, fleet.Errorf(fleet.Busy, "%d changes are being made: try again", slotCount)
	}
	slot = s.free[len(s.free)-1]
	s.free = s.free[:len(s.free)-1]
	s.mu.Unlock()
	if _, err = s.file.WriteAt([]byte(framed(text)), int64(slot)*slotSize); err == nil {
		err = s.file.Sync()
	}
	if err != nil {
		s.Clear(slot)
		return 0, fmt.Errorf("slots: %w", err)
	}
	return slot, nil
}

// Clear empties a slot. After a power failure its text may be there once more.
func (s *Slots) Clear(slot int) {
	_, _ = s.file.WriteAt([]byte("\n"), int64(slot)*slotSize) // at worst it is found at the next start
	s.mu.Lock()
	defer s.mu.Unlock()
	s.free = append(s.free, slot)
}

// Close closes the file.
func (s *Slots) Close() error { return s.file.Close() }

// unframed returns the text of a line that framed has made; none is torn by the end of a process.
func unframed(line string) (text string, ok bool) {
	sum, text, ok := strings.Cut(line, " ")
	if !ok || sum != checksum(text) {
		return "", false
	}
	return text, true
}
