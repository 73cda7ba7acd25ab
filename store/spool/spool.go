// Package spool keeps lines in a file until they are no longer needed: what must not be forgotten
// while Redis can't be written to, also by a process that is killed.
package spool

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"os"
	"strings"
	"sync"

	"github.com/muster-iot/muster/fleet"
)

// Spool is a file of a fixed size, which is taken from the disk when it is opened: lines can be
// added on a full disk. It is safe for concurrent use.
type Spool struct {
	mu    sync.Mutex
	file  *os.File // guarded by mu
	size  int      // bytes; guarded by mu
	lines []string // guarded by mu
	used  int      // bytes; guarded by mu
}

// Open opens or creates the file path of size bytes, and reads its lines. One process at a time
// may have it open.
func Open(path string, size int) (*Spool, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	s := &Spool{file: file, size: size}
	if err := s.read(path); err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("spool: %w", err)
	}
	return s, nil
}

// read reads the lines, and writes the file again unless it is as Spool leaves it.
func (s *Spool) read(path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	torn := false
	for line := range strings.Lines(string(bytes.TrimRight(data, "\n"))) {
		text, ok := unframed(strings.TrimSuffix(line, "\n"))
		if !ok {
			torn = true
			continue
		}
		s.lines = append(s.lines, text)
		s.used += len(framed(text))
	}
	if !torn && len(data) == s.size {
		return nil
	}
	return s.write()
}

// write replaces the content by the lines and fills it up.
func (s *Spool) write() error {
	var lines strings.Builder
	for _, line := range s.lines {
		lines.WriteString(framed(line))
	}
	s.used = lines.Len()
	text := bytes.Repeat([]byte("\n"), max(s.size, s.used))
	copy(text, lines.String())
	if _, err := s.file.WriteAt(text, 0); err != nil {
		return err
	}
	return s.file.Sync()
}

func framed(line string) string {
	return checksum(line) + " " + line + "\n"
}

func checksum(line string) string { return fmt.Sprintf("%08x", crc32.ChecksumIEEE([]byte(line))) }

// Add adds a line, which has no line break, durably. It returns fleet.Busy when the file is full.
func (s *Spool) Add(line string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	text := framed(line)
	if s.used+len(text) > s.size {
		return fleet.Errorf(fleet.Busy, "%s is full", s.file.Name())
	}
	if _, err := s.file.WriteAt([]byte(text), int64(s.used)); err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	if err := s.file.Sync(); err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	s.used += len(text)
	s.lines = append(s.lines, line)
	return nil
}

// Lines returns the lines, oldest first.
func (s *Spool) Lines() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.lines...)
}

// Drop removes the first n lines. After a crash they may be there once more.
func (s *Spool) Drop(n int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines = s.lines[min(n, len(s.lines)):]
	if err := s.write(); err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	return nil
}

// Close closes the file.
func (s *Spool) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.file.Close()
}
