//go:build linux || darwin || freebsd

package disk

import "golang.org/x/sys/unix"

// Of returns the room that a process without privileges has on the file system of folder.
func Of(folder string) (Space, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(folder, &s); err != nil {
		return Space{}, err
	}
	block := int64(s.Bsize)                                                          //nolint:unconvert // other types on other systems
	return Space{Free: int64(s.Bavail) * block, Total: int64(s.Blocks) * block}, nil //nolint:unconvert // as above
}
