package mqttlite

import (
	"sync"
	"time"
)

// A light client reads into its own 512 bytes. When a packet does not fit it borrows a
// pooled buffer and gives it back as soon as it is drained and nothing more comes: an
// idle device holds none.
var (
	chunkBuffers = sync.Pool{New: func() any { b := make([]byte, chunkBuffer); return &b }}
	largeBuffers = sync.Pool{New: func() any { b := make([]byte, maxIncoming); return &b }}
)

const chunkBuffer = 32 << 10 // bytes; several default chunks per read

// fit makes room for a packet of size bytes that begins at buf[r], and for at least one
// byte more than there is.
func (c *Conn) fit(size int) {
	switch {
	case size > len(c.buf) && size <= chunkBuffer/2:
		c.move(&chunkBuffers)
	case size > len(c.buf) || size > chunkBuffer/2 && len(c.buf) < maxIncoming:
		c.move(&largeBuffers)
	case c.r == c.w && size == 0 && c.pooled != nil && c.drained():
		c.release()
	case c.r > 0:
		c.w = copy(c.buf, c.buf[c.r:c.w])
		c.r = 0
	}
}

// drained reports whether the last packet was a small one: the chunks are over.
func (c *Conn) drained() bool { return c.r > 0 && c.r <= smallBuffer }

// move changes to a buffer of pool and takes the unread bytes along.
func (c *Conn) move(pool *sync.Pool) {
	next, _ := pool.Get().(*[]byte)
	n := copy(*next, c.buf[c.r:c.w])
	c.giveBack()
	c.pooled, c.buf, c.r, c.w = next, *next, 0, n
}

// release gives a drained buffer back.
func (c *Conn) release() {
	if c.pooled != nil && c.r == c.w {
		c.giveBack()
		c.buf, c.r, c.w = c.small[:], 0, 0
	}
}

func (c *Conn) giveBack() {
	switch {
	case c.pooled == nil:
	case len(*c.pooled) == chunkBuffer:
		chunkBuffers.Put(c.pooled)
	default:
		largeBuffers.Put(c.pooled)
	}
	c.pooled = nil
}

// write builds one packet in a pooled buffer and sends it.
func (c *Conn) write(build func([]byte) []byte) error {
	buffer, _ := writeBuffers.Get().(*[]byte)
	defer writeBuffers.Put(buffer)
	*buffer = build((*buffer)[:0])
	now := time.Now()
	c.writing.Lock()
	defer c.writing.Unlock()
	if err := c.nc.SetWriteDeadline(now.Add(WriteTimeout)); err != nil {
		return err
	}
	_, err := c.nc.Write(*buffer)
	c.sent.Store(now.UnixNano())
	return err
}

var writeBuffers = sync.Pool{New: func() any { b := make([]byte, 0, 256); return &b }}
