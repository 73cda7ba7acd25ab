package broker

import (
	"errors"
	"io"
	"os"
	"runtime/debug"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/muster-iot/muster/wire"
)

// finish ends a connection whose reader has stopped with err, or for cause if that is not
// none: first everything that may write or wait, then the session, then the seat.
func (b *Broker) finish(l *Link, cause byte, err error) {
	code := cause
	if code == codeNone {
		code = l.codeOf(err)
	}
	l.finish(code)
	l.out.Wait()
	b.admitted(l)
	if l.session == nil {
		return
	}
	defer b.leave(l)
	if l.seated {
		b.count.connections.Add(-1)
		b.count.ended[l.why].Add(1)
	}
	b.log.Debug("connection ended", "device", l.id, "code", shown(l.why), "unsent", l.out.Waiting(), "err", err)
	defer func() {
		if r := recover(); r != nil {
			l.panicked(r, debug.Stack())
		}
	}()
	if code = l.why; code == codeNone && !errors.Is(err, errLeft) {
		code = Lost
	}
	defer l.session.Gone(code)
	l.fireWill()
}

// codeOf is the reason code for a device whose connection ended with err.
func (l *Link) codeOf(err error) byte {
	var code packets.Code
	switch {
	case !l.open:
		return codeNone
	case errors.As(err, &code) && code.Code >= codeUnspecified:
		return code.Code
	case errors.Is(err, os.ErrDeadlineExceeded):
		return codeKeepAlive
	}
	return codeNone
}

// finish ends a connection from the reader's goroutine, which waits for the last packet to arrive.
func (l *Link) finish(code byte) {
	if !l.shut(code) {
		return
	}
	l.sayGoodbye(code)
	if l.refused || code != codeNone && code != codeKeepAlive {
		l.linger()
	}
	_ = l.transport.Close()
}

const lingering = 500 * time.Millisecond

// linger waits for the device to close, half a second at most. Closing a socket with
// unread bytes resets it, and the device would lose what was written last.
func (l *Link) linger() {
	half, ok := l.transport.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil || l.transport.SetReadDeadline(time.Now().Add(lingering)) != nil {
		return
	}
	_, _ = io.CopyN(io.Discard, l.transport, 2*wire.MaxPacket) // the end follows either way
}

func (l *Link) panicked(r any, stack []byte) {
	l.broker.count.panics.Add(1)
	l.broker.log.Error("panic on a connection", "device", l.id, "address", l.address, "err", r, "stack", string(stack))
}
