package redisserver

import (
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"

	"github.com/muster-iot/muster/store/lockfile"
)

// maxSocketPath is the longest path of a unix socket, in bytes (unix(7): sun_path without its
// terminating zero).
const maxSocketPath = 107

const (
	socketName = "redis.sock"
	ownerName  = "owner" // names the data folder, and is locked while its server runs
)

// socket is a folder for the socket of one server, which only this user may enter. Nothing in
// the data folder names it: a copy of the data folder must not lead to the socket of a server
// that runs.
type socket struct {
	path  string
	owner *os.File // locked by this process and by the server, which inherits it
}

// newSocket creates a folder for the socket of the server of dir and removes the folders that
// killed processes left behind for dir. The lock of dir must be held.
func newSocket(dir string) (*socket, error) {
	for _, folder := range socketFolders(dir) {
		removeEnded(folder)
	}
	folder, err := socketFolder(dir)
	if err != nil {
		return nil, err
	}
	s := &socket{path: filepath.Join(folder, socketName)}
	if s.owner, err = own(folder, dir); err != nil {
		_ = os.RemoveAll(folder)
		return nil, fmt.Errorf("socket for redis: %w", err)
	}
	return s, nil
}

// own notes in folder that it belongs to dir, and locks the note.
func own(folder, dir string) (*os.File, error) {
	owner, err := os.OpenFile(filepath.Join(folder, ownerName), os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	_, err = owner.WriteString(dir)
	if err == nil {
		_, err = lockfile.TryLock(owner) // nobody else has it open for longer than a look
	}
	if err != nil {
		_ = owner.Close()
		return nil, err
	}
	return owner, nil
}

// remove removes the folder. The server must have ended.
func (s *socket) remove() {
	removeFolder(filepath.Dir(s.path))
	_ = s.owner.Close()
}

// removeEnded removes a folder if the process that made it and its server have ended.
func removeEnded(folder string) {
	owner, err := os.OpenFile(filepath.Join(folder, ownerName), os.O_RDWR, 0)
	if err != nil {
		return
	}
	defer func() { _ = owner.Close() }()
	if ended, err := lockfile.TryLock(owner); err == nil && ended {
		removeFolder(folder)
	}
}

// removeFolder removes what newSocket and the server create, and nothing else.
func removeFolder(folder string) {
	_ = os.Remove(filepath.Join(folder, socketName))
	_ = os.Remove(filepath.Join(folder, ownerName))
	_ = os.Remove(folder)
}

// parents are where socket folders are created: a long path is refused by the system.
func parents() []string { return slices.Compact([]string{filepath.Clean(os.TempDir()), "/tmp"}) }

// prefix is how the names of the socket folders of the data folder dir begin, so that those of others, of which
// killed processes may leave many behind, are not looked into.
func prefix(dir string) string { return fmt.Sprintf("muster-%08x-", crc32.ChecksumIEEE([]byte(dir))) }

// socketFolders returns the socket folders of the data folder dir.
func socketFolders(dir string) (folders []string) {
	for _, parent := range parents() {
		owners, _ := filepath.Glob(filepath.Join(parent, prefix(dir)+"*", ownerName)) // fails for a bad pattern only
		for _, owner := range owners {
			if of, err := os.ReadFile(owner); err == nil && string(of) == dir {
				folders = append(folders, filepath.Dir(owner))
			}
		}
	}
	return folders
}

// errNotRunning means that no server of a data folder runs.
var errNotRunning = errors.New("no redis-server runs for this folder")

// FindSocket returns the socket of the server that another process runs for the data folder
// dir, for tools that watch it.
func FindSocket(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("data folder: %w", err)
	}
	for _, folder := range socketFolders(dir) {
		path := filepath.Join(folder, socketName)
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s: %w", dir, errNotRunning)
}

// socketFolder creates the folder.
func socketFolder(dir string) (folder string, err error) {
	for _, parent := range parents() {
		if folder, err = os.MkdirTemp(parent, prefix(dir)); err != nil {
			continue
		}
		path := filepath.Join(folder, socketName)
		if len(path) <= maxSocketPath {
			return folder, nil
		}
		_ = os.Remove(folder)
		err = fmt.Errorf("%s is longer than the %d bytes a socket may have: set TMPDIR to a shorter folder", path, maxSocketPath)
	}
	return "", fmt.Errorf("socket for redis: %w", err)
}
