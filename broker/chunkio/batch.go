package chunkio

import (
	"sync"

	"github.com/muster-iot/muster/fleet"
)

const (
	// maxVector is how many bytes one vectored write takes: larger ones are not faster,
	// and a Stop or a PINGRESP would wait longer. It is 128 KiB of image data and what
	// encodes them, so that a Want for that much is one write.
	maxVector = 130 << 10

	// maxFlat is how many bytes one write takes where packets have to be copied into
	// one piece (TLS, WebSocket).
	maxFlat = 32 << 10
)

// batch is the chunks that a sender has in hand, all of one range.
type batch struct {
	of     item     // as it was when the chunks were asked for
	all    [][]byte // what the source returned
	left   [][]byte // the end of all that is not written
	vector vector
	heads  []byte
	size   int // bytes in vector
	begun  int // chunks at the start of left that are in vector and partly written
}

var batches = sync.Pool{New: func() any { return new(batch) }}

func newBatch() *batch { return batches.Get().(*batch) }

// free returns b to the pool, which keeps no image alive.
func (b *batch) free() {
	clear(b.all[:cap(b.all)])
	b.of, b.left, b.begun = item{}, nil, 0
	batches.Put(b)
}

// load fills b with up to want chunks from the source of it.
func (b *batch) load(it item, done <-chan struct{}, want uint32) error {
	var err error
	b.all, err = it.source.Chunks(done, b.all[:0], it.first, want)
	if err == nil && len(b.all) == 0 {
		err = fleet.Errorf(fleet.Invalid, "no chunks from %d", it.first)
	}
	b.of, b.left = it, b.all
	if err != nil {
		b.left = nil
	}
	return err
}

// gather fills the vector with headers and, uncopied, as many of the chunks that are left as
// one write takes, and returns how many. The header is the same for chunks of one size:
// nearly all of an image.
func (b *batch) gather() (n int) {
	var head []byte
	size := -1
	b.heads, b.size = b.heads[:0], 0
	for _, chunk := range b.left {
		if n > 0 && b.size+len(chunk) > maxVector {
			break
		}
		if len(chunk) != size {
			size = len(chunk)
			start := len(b.heads)
			b.heads = b.of.stream.head(b.heads, b.of.stream.name, size)
			head = b.heads[start:]
		}
		b.vector.add(head)
		b.vector.add(chunk)
		b.size += len(head) + size
		n++
	}
	return n
}

// write writes some of the chunks that are left and returns how many; 0 after an error,
// which has ended the connection. The caller has the token.
func (w *Writer) write(b *batch) (n int) {
	switch {
	case !b.of.stream.takes(b.left[0]):
		w.counters.TooLarge.Add(1)
		return len(b.left) // MQTT 5 §3.1.2.11.4: as if they had been sent
	case w.vectored:
		if n = b.gather(); !w.writeVector(b) {
			n = 0
		}
	default:
		n = w.writeFlat(b)
	}
	w.counters.Chunks.Add(uint64(n))
	return n
}

// writeVector writes what is in b's vector and reports whether the connection is still up.
func (w *Writer) writeVector(b *batch) bool {
	defer b.vector.reset()
	if _, err := w.conn.writeVector(&b.vector); err != nil {
		w.owner.WriteFailed()
		return false
	}
	w.counters.Bytes.Add(uint64(b.size))
	return true
}

// flats are the pieces that packets are copied into where there is no vectored write.
var flats = sync.Pool{New: func() any {
	p := make([]byte, 0, maxFlat+maxFlat/8)
	return &p
}}

// writeFlat writes copies of some chunks in one piece: one WebSocket write, or one system
// call of TLS records.
func (w *Writer) writeFlat(b *batch) (n int) {
	flat := flats.Get().(*[]byte)
	defer flats.Put(flat)
	p, ends := (*flat)[:0], make([]int, 0, 16)
	for _, chunk := range b.left {
		if n > 0 && len(p)+len(chunk) > maxFlat {
			break
		}
		p = append(b.of.stream.head(p, b.of.stream.name, len(chunk)), chunk...)
		ends = append(ends, len(p))
		n++
	}
	*flat = p
	if w.writePackets(p, ends) != nil {
		return 0
	}
	return n
}

// writePackets writes the packets of p, which end at ends. Over TLS each packet begins a
// record: a device's TLS library may have room for one chunk only (docs/protocol.md#connection).
// The caller has the token.
func (w *Writer) writePackets(p []byte, ends []int) error {
	if !w.secure || len(ends) < 2 {
		return w.writeNow(p)
	}
	records := flats.Get().(*[]byte)
	defer flats.Put(records)
	w.conn.hold(*records)
	var failed error
	start := 0
	for _, end := range ends {
		if _, err := w.transport.Write(p[start:end]); err != nil {
			failed = err
			break
		}
		start = end
	}
	var err error
	if *records, err = w.conn.release(); err != nil || failed != nil {
		w.owner.WriteFailed()
		return errClosed
	}
	w.counters.Bytes.Add(uint64(len(p)))
	return nil
}
