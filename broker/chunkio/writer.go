package chunkio

import (
	"crypto/tls"
	"net"
	"sync"
	"sync/atomic"

	"github.com/muster-iot/muster/fleet"
)

const (
	// maxWaiting bounds the packets that wait behind a write in progress, in bytes. A
	// Write that finds no room waits itself; nothing is dropped.
	maxWaiting = 32 << 10

	// answerRoom is kept for the reader's answers (PUBACK, PINGRESP ...) beyond that, so
	// that Writes never keep it from reading.
	answerRoom = 8 << 10
)

var errClosed = fleet.Errorf(fleet.Unavailable, "the connection has ended")

// Owner is the connection that a Writer writes. Its methods are called on any goroutine and
// with no lock held.
type Owner interface {
	// WriteFailed is called when a write failed. The device may have half a packet: the
	// owner closes the transport and calls End.
	WriteFailed()

	// SourceFailed is called when the source of the chunks of that stream failed. They
	// were dropped.
	SourceFailed(stream string, err error)

	// Panicked is called when a goroutine of the Writer panicked. The owner ends the
	// connection.
	Panicked(v any, stack []byte)
}

// Counters counts what Writers write; several may share one.
type Counters struct {
	Chunks   atomic.Uint64 // written
	Bytes    atomic.Uint64 // of all packets, written
	TooLarge atomic.Uint64 // batches of chunks that were dropped since the device takes none so large
	Failed   atomic.Uint64 // ranges dropped since their source failed
}

// Writer is the one writer of a connection: only the holder of its token writes. Its
// methods may be called concurrently.
type Writer struct {
	transport net.Conn
	conn      *Conn // the lowest layer
	vectored  bool  // it is TCP, and the transport itself
	secure    bool  // it is TLS
	owner     Owner
	counters  *Counters

	closed  chan struct{} // closed by End
	token   chan struct{} // holds one token from Open on
	senders sync.WaitGroup

	mu      sync.Mutex
	waiting []byte // whole packets that are written when the token is returned
	ends    []int  // of those packets
	pumping bool   // a goroutine does that
	queue   queue
}

// NewWriter returns a Writer of transport, which is conn or runs over it.
func NewWriter(transport net.Conn, conn *Conn, owner Owner, counters *Counters) *Writer {
	_, secure := transport.(*tls.Conn)
	return &Writer{
		transport: transport, conn: conn, secure: secure, vectored: transport == net.Conn(conn) && conn.tcp != nil,
		owner: owner, counters: counters,
		closed: make(chan struct{}), token: make(chan struct{}, 1),
	}
}

// WriteFirst writes p before Open. The caller makes sure that nothing else is written.
func (w *Writer) WriteFirst(p []byte) error { return w.writeNow(p) }

// Open begins writing what was queued so far, and all that follows. It is called once.
func (w *Writer) Open() { w.release() }

// Write writes one whole packet: at once when nothing else is being written, else behind
// that. While 32 KiB wait already, it blocks as long as the connection takes bytes. The
// error is fleet.Unavailable: the connection has ended.
func (w *Writer) Write(p []byte) error { return w.writeBehind(p, maxWaiting) }

// Answer writes a packet of the connection's reader, whose answers have 8 KiB more to wait in.
func (w *Writer) Answer(p []byte) error { return w.writeBehind(p, maxWaiting+answerRoom) }

// Finish writes p, which may be empty, as the last packet, after End. It is dropped before
// Open and while another packet is being written.
func (w *Writer) Finish(p []byte) {
	select {
	case <-w.token: // never returned
		if len(p) > 0 {
			_ = w.writeNow(p) // the connection ends either way
		}
	default:
	}
}

// End stops sending: what waits is dropped, and everything that waits to write returns. It
// reports whether this call was the first. It does not close the transport.
func (w *Writer) End() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.queue.state == ended {
		return false
	}
	w.queue.end()
	close(w.closed)
	return true
}

// Closed is closed by End.
func (w *Writer) Closed() <-chan struct{} { return w.closed }

// Wait waits for the goroutines of w, which end soon after End and the transport's Close.
func (w *Writer) Wait() { w.senders.Wait() }

// Waiting is how many bytes wait behind a write in progress.
func (w *Writer) Waiting() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.waiting)
}

func (w *Writer) writeBehind(p []byte, room int) error {
	holds := w.grab()
	if holds && w.Waiting() == 0 {
		err := w.writeNow(p)
		w.release()
		return err
	}
	if queued, err := w.wait(p, room); queued || err != nil {
		if holds || w.grab() {
			w.release() // and have it written
		}
		return err
	}
	if !holds {
		select {
		case <-w.token:
		case <-w.closed:
			return errClosed
		}
	}
	defer w.release()
	if err := w.flush(); err != nil {
		return err
	}
	return w.writeNow(p)
}

// grab takes the token if it is there.
func (w *Writer) grab() bool {
	select {
	case <-w.token:
		return true
	default:
		return false
	}
}

// wait puts p behind the write in progress; false when there is no room.
func (w *Writer) wait(p []byte, room int) (queued bool, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.queue.state == ended {
		return false, errClosed
	}
	if len(w.waiting)+len(p) > room {
		return false, nil
	}
	w.waiting = append(w.waiting, p...)
	w.ends = append(w.ends, len(w.waiting))
	return true, nil
}

// release returns the token. What has come to wait is written on a goroutine of its own:
// the caller may be the reader, which has other things to do.
func (w *Writer) release() {
	w.token <- struct{}{}
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.waiting) > 0 && w.queue.state != ended && !w.pumping {
		w.pumping = true
		w.senders.Go(w.pump)
	}
}

// pump writes what waits until nothing does.
func (w *Writer) pump() {
	for {
		select {
		case <-w.token:
		case <-w.closed:
			return
		}
		_ = w.flush() // an error has ended the connection
		w.token <- struct{}{}
		w.mu.Lock()
		w.pumping = len(w.waiting) > 0 && w.queue.state != ended
		more := w.pumping
		w.mu.Unlock()
		if !more {
			return
		}
	}
}

// flush writes what waits. The caller has the token.
func (w *Writer) flush() error {
	w.mu.Lock()
	p, ends := w.waiting, w.ends
	w.waiting, w.ends = nil, nil
	w.mu.Unlock()
	if len(p) == 0 {
		return nil
	}
	return w.writePackets(p, ends)
}

// writeNow writes p. The caller has the token.
func (w *Writer) writeNow(p []byte) error {
	if _, err := w.transport.Write(p); err != nil {
		w.owner.WriteFailed()
		return errClosed
	}
	w.counters.Bytes.Add(uint64(len(p)))
	return nil
}
