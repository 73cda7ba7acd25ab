//go:build linux

package machine

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
)

// insideVariable is set in the process that has mounts of its own.
const insideVariable = "MUSTER_CHAOS_INSIDE"

// OwnMounts runs this program again where it may mount file systems, and reports its exit
// code; inside is true in that one. Its mounts end with it. Where that is not allowed, inside
// is true at once and the data folder is not on a small file system.
func OwnMounts() (inside bool, code int) {
	if os.Getenv(insideVariable) != "" {
		return true, 0
	}
	self, err := os.Executable()
	if err != nil {
		return true, 0
	}
	again := exec.Command(self, os.Args[1:]...)
	again.Stdin, again.Stdout, again.Stderr = os.Stdin, os.Stdout, os.Stderr
	again.Env = append(os.Environ(), insideVariable+"=1")
	again.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
		Pdeathsig:   syscall.SIGTERM,
	}
	if again.Start() != nil {
		return true, 0
	}
	err = again.Wait()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return false, 0
	case errors.As(err, &exit):
		return false, max(exit.ExitCode(), 1)
	}
	return false, 1
}

// MountSmall puts a file system of so many bytes at folder; false where that is not allowed.
func MountSmall(folder string, size string) bool {
	return os.Getenv(insideVariable) != "" && syscall.Mount("tmpfs", folder, "tmpfs", 0, "size="+size) == nil
}

// Unmount removes the file system that MountSmall put at folder.
func Unmount(folder string) { _ = syscall.Unmount(folder, syscall.MNT_DETACH) } // it ends with the process at the latest
