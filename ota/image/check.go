package image

import (
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/muster-iot/muster/fleet"
)

// checks are the outcomes of reading whole image files, by name. A file is read when it is first
// opened, and again when it is another file, or its size or its time of change differs: then it was
// repaired or replaced. Times of change are a few ms coarse.
type checks struct {
	mu    sync.Mutex
	files map[string]*check // guarded by mu
}

// check is the outcome for one file.
type check struct {
	mu   sync.Mutex  // held while the file is read: others wait for the outcome
	read os.FileInfo // of the file that was read, nil before; guarded by mu
	err  error       // guarded by mu
}

// of returns the check of a file.
func (c *checks) of(name string) *check {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.files == nil {
		c.files = make(map[string]*check)
	}
	if c.files[name] == nil {
		c.files[name] = &check{}
	}
	return c.files[name]
}

func (c *checks) forget(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.files, name)
}

// check returns fleet.Unavailable if file does not have this digest. It reads the file unless it
// has done so since the file changed.
func (c *check) check(file *os.File, digest fleet.Digest) error {
	info, err := file.Stat()
	if err != nil {
		return fmt.Errorf("image %s: %w", digest, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.read != nil && os.SameFile(c.read, info) && c.read.Size() == info.Size() && c.read.ModTime().Equal(info.ModTime()) {
		return c.err
	}
	hash := sha256.New()
	if _, err := io.Copy(hash, io.NewSectionReader(file, 0, info.Size())); err != nil {
		return fmt.Errorf("image %s: %w", digest, err) // it is tried again
	}
	c.read, c.err = info, nil
	if found := fleet.Digest(hash.Sum(nil)); found != digest {
		c.err = fleet.Errorf(fleet.Unavailable, "the file of image %s is damaged, its SHA-256 is %s: restore it from a backup", digest, found)
	}
	return c.err
}
