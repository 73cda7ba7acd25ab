//go:build unix

package identity

import (
	"fmt"
	"io/fs"
	"syscall"
)

// inode distinguishes a folder from its copy at the same path.
func inode(info fs.FileInfo) string {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return fmt.Sprint(s.Ino)
	}
	return ""
}
