package chunkio

import (
	"net"
	"os"
	"syscall"
	"unsafe"
)

// maxPieces is how many pieces the kernel takes in one write (IOV_MAX, writev(2)).
const maxPieces = 1024

// vector is pieces of memory that are written in one system call. It makes the call itself
// instead of through net.Buffers: writing to a socket never blocks, so Go's scheduler need
// not see it. If it does, it takes the processor away from a thread that is copying
// 128 KiB and has to wake another one. The zero value is ready; it is not safe for
// concurrent use.
type vector struct {
	pieces []syscall.Iovec
	done   int     // pieces[:done] are written
	n      uintptr // bytes the last call wrote
	errno  syscall.Errno
}

func (v *vector) add(p []byte) {
	if len(p) > 0 {
		piece := syscall.Iovec{Base: &p[0]}
		piece.SetLen(len(p))
		v.pieces = append(v.pieces, piece)
	}
}

// reset empties v and keeps none of the pieces alive.
func (v *vector) reset() {
	clear(v.pieces)
	v.pieces, v.done = v.pieces[:0], 0
}

// writeTo writes the rest of v, until tcp's deadline at most.
func (v *vector) writeTo(tcp *net.TCPConn) (written int64, err error) {
	raw, err := tcp.SyscallConn()
	for err == nil && v.done < len(v.pieces) {
		if err = raw.Write(v.writev); err == nil {
			err = v.advance()
			written += int64(v.n)
		}
	}
	return written, err
}

// tryTo writes what tcp takes at once and reports whether that was all of it.
func (v *vector) tryTo(tcp *net.TCPConn) (all bool, err error) {
	raw, err := tcp.SyscallConn()
	if err != nil {
		return false, err
	}
	err = raw.Write(func(fd uintptr) bool {
		v.writev(fd)
		return true
	})
	if err != nil || v.errno == syscall.EAGAIN {
		return false, err
	}
	err = v.advance()
	return v.done == len(v.pieces), err
}

// writev reports whether there is a result. If not, it is called again when the socket
// takes bytes.
func (v *vector) writev(fd uintptr) bool {
	left := v.pieces[v.done:]
	for {
		v.n, _, v.errno = syscall.RawSyscall(syscall.SYS_WRITEV, fd, uintptr(unsafe.Pointer(&left[0])), uintptr(min(len(left), maxPieces)))
		if v.errno != syscall.EINTR {
			return v.errno != syscall.EAGAIN
		}
	}
}

// advance skips what the last writev wrote.
func (v *vector) advance() error {
	if v.errno != 0 {
		v.n = 0
		return os.NewSyscallError("writev", v.errno)
	}
	n := int(v.n)
	for n > 0 {
		p := &v.pieces[v.done]
		if size := int(p.Len); n < size {
			p.Base = (*byte)(unsafe.Add(unsafe.Pointer(p.Base), n))
			p.SetLen(size - n)
			break
		}
		n -= int(p.Len)
		v.done++
	}
	return nil
}
