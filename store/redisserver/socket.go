package redisserver

import (
	"fmt"
	"os"
	"path/filepath"
)

// maxSocketPath is the longest path of a unix socket, in bytes (unix(7): sun_path without its
// terminating zero).
const maxSocketPath = 107

// newSocket creates a folder for the socket of the server of dir, which only this user may
// enter, notes its path in dir, and removes the folder noted before, which a killed process
// left behind. The lock of dir must be held.
func newSocket(dir string) (path string, remove func(), err error) {
	path, remove, err = socketFolder()
	if err != nil {
		return "", nil, err
	}
	note := filepath.Join(dir, "socket")
	if old, err := os.ReadFile(note); err == nil {
		_ = os.Remove(string(old)) // absent after a clean stop
		_ = os.Remove(filepath.Dir(string(old)))
	}
	if err := os.WriteFile(note, []byte(path), 0o600); err != nil {
		remove()
		return "", nil, fmt.Errorf("data folder: %w", err)
	}
	return path, remove, nil
}

// socketFolder creates the folder where paths are short: a long one is refused by the system.
func socketFolder() (path string, remove func(), err error) {
	for _, parent := range []string{os.TempDir(), "/tmp"} {
		var dir string
		if dir, err = os.MkdirTemp(parent, "muster-"); err != nil {
			continue
		}
		path = filepath.Join(dir, "redis.sock")
		if len(path) <= maxSocketPath {
			return path, func() { _ = os.RemoveAll(dir) }, nil
		}
		_ = os.RemoveAll(dir)
		err = fmt.Errorf("%s is longer than the %d bytes a socket may have: set TMPDIR to a shorter folder", path, maxSocketPath)
	}
	return "", nil, fmt.Errorf("socket for redis: %w", err)
}
