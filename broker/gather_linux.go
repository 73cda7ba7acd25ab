package broker

import (
	"net"
	"os"
	"syscall"
	"unsafe"
)

// maxGather is how many pieces the kernel takes in one write (IOV_MAX, writev(2)).
const maxGather = 1024

// gather is pieces of memory that go out in one system call. It tells the kernel itself
// instead of leaving that to net.Buffers: a write to a socket that never blocks needs no
// warning to Go's scheduler, which takes the processor away from one that copies 128 KiB
// and has to wake another thread for that. The zero value is ready; it is not safe for
// concurrent use.
type gather struct {
	pieces []syscall.Iovec
	done   int     // pieces[:done] are written
	n      uintptr // bytes the last call wrote
	errno  syscall.Errno
}

func (g *gather) add(p []byte) {
	if len(p) > 0 {
		v := syscall.Iovec{Base: &p[0]}
		v.SetLen(len(p))
		g.pieces = append(g.pieces, v)
	}
}

// reset keeps none of the memory that was gathered alive.
func (g *gather) reset() {
	clear(g.pieces)
	g.pieces, g.done = g.pieces[:0], 0
}

// writeTo writes what is left, as far as it comes within tcp's deadline.
func (g *gather) writeTo(tcp *net.TCPConn) (written int64, err error) {
	raw, err := tcp.SyscallConn()
	for err == nil && g.done < len(g.pieces) {
		if err = raw.Write(g.writev); err == nil {
			err = g.advance()
			written += int64(g.n)
		}
	}
	return written, err
}

// tryTo writes what tcp takes at once and reports whether that was all.
func (g *gather) tryTo(tcp *net.TCPConn) (all bool, err error) {
	raw, err := tcp.SyscallConn()
	if err != nil {
		return false, err
	}
	err = raw.Write(func(fd uintptr) bool {
		g.writev(fd)
		return true
	})
	if err != nil || g.errno == syscall.EAGAIN {
		return false, err
	}
	err = g.advance()
	return g.done == len(g.pieces), err
}

// writev reports whether there is a result; if not it is called again when the socket
// takes bytes.
func (g *gather) writev(fd uintptr) bool {
	left := g.pieces[g.done:]
	for {
		g.n, _, g.errno = syscall.RawSyscall(syscall.SYS_WRITEV, fd, uintptr(unsafe.Pointer(&left[0])), uintptr(min(len(left), maxGather)))
		if g.errno != syscall.EINTR {
			return g.errno != syscall.EAGAIN
		}
	}
}

// advance goes past what the last writev has written.
func (g *gather) advance() error {
	if g.errno != 0 {
		g.n = 0
		return os.NewSyscallError("writev", g.errno)
	}
	n := int(g.n)
	for n > 0 {
		p := &g.pieces[g.done]
		if size := int(p.Len); n < size {
			p.Base = (*byte)(unsafe.Add(unsafe.Pointer(p.Base), n))
			p.SetLen(size - n)
			break
		}
		n -= int(p.Len)
		g.done++
	}
	return nil
}
