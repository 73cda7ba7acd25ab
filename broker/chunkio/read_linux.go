package chunkio

import (
	"io"
	"net"
	"os"
	"syscall"
	"unsafe"
)

// reader reads a TCP connection with a system call that bypasses Go's scheduler, for the
// reason vector gives (docs/adr/0009). It is not safe for concurrent use.
type reader struct {
	raw   syscall.RawConn // nil: not a TCP connection
	try   func(fd uintptr) bool
	into  []byte
	n     int
	errno syscall.Errno
}

// open prepares r for conn. Only TCP connections are read with raw system calls.
func (r *reader) open(conn net.Conn) {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return
	}
	r.raw, r.try = raw, r.readOnce // made once: a read allocates nothing
}

// read is conn.Read.
func (r *reader) read(conn net.Conn, p []byte) (int, error) {
	if r.raw == nil || len(p) == 0 {
		return conn.Read(p)
	}
	r.into = p
	err := r.raw.Read(r.try)
	r.into = nil
	switch {
	case err != nil:
		return 0, err
	case r.errno != 0:
		return 0, os.NewSyscallError("read", r.errno)
	case r.n == 0:
		return 0, io.EOF
	}
	return r.n, nil
}

// readOnce reports whether there is a result. If not, it is called again when there are
// bytes.
func (r *reader) readOnce(fd uintptr) bool {
	for {
		n, _, errno := syscall.RawSyscall(syscall.SYS_READ, fd, uintptr(unsafe.Pointer(&r.into[0])), uintptr(len(r.into)))
		if errno != syscall.EINTR {
			r.n, r.errno = int(n), errno
			return errno != syscall.EAGAIN
		}
	}
}
