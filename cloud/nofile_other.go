//go:build !unix

package cloud

// openFiles is the process's limit of open files; 0: none.
func openFiles() int { return 0 }
