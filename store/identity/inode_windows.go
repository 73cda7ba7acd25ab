package identity

import "io/fs"

// inode would tell a folder from its copy at the same path.
func inode(fs.FileInfo) string { return "" }
