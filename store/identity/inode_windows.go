package identity

import "io/fs"

// inode would distinguish a folder from its copy at the same path.
func inode(fs.FileInfo) string { return "" }
