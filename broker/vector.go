package broker

import "sync"

const (
	// maxVector is how many bytes one vectored write takes: above it, throughput grows
	// no more, and a Stop or a PINGRESP would wait longer. It is 128 KiB of image data
	// and what encodes them, so that a Want for that much is one write.
	maxVector = 130 << 10

	// maxFlat is how many bytes one write takes where packets have to be copied into
	// one piece (TLS, WebSocket): two TLS records.
	maxFlat = 32 << 10
)

// batch is the working memory of a sender while it has something to do.
type batch struct {
	chunks [][]byte
	vector gather
	heads  []byte
	size   int // bytes in vector
}

var batches = sync.Pool{New: func() any { return new(batch) }}

// free gives b back. The pool keeps no image alive.
func (b *batch) free() {
	clear(b.chunks[:cap(b.chunks)])
	batches.Put(b)
}

// flats are the pieces that packets are copied into where there is no vectored write.
var flats = sync.Pool{New: func() any {
	p := make([]byte, 0, maxFlat+maxFlat/8)
	return &p
}}

// writeChunks writes some of chunks, each as one PUBLISH, and returns how many. The
// caller has the token.
func (l *Link) writeChunks(topic string, b *batch, chunks [][]byte) int {
	if size := maxPublishHead + len(topic) + len(chunks[0]); !l.takes(size) {
		l.broker.count.ignored[ignoredLarge].Add(1)
		return len(chunks) // MQTT 5 §3.1.2.11.4: as if it had been sent
	}
	if l.tcp == nil {
		return l.writeFlat(topic, chunks)
	}
	n := b.gather(l.version, topic, chunks)
	if !l.writeVector(b) {
		return 0
	}
	return n
}

// gather puts headers and shared chunks into the vector without copying those, as many as
// one write takes, and returns how many. The header is the same for chunks of one size:
// nearly all of an image.
func (b *batch) gather(version byte, topic string, chunks [][]byte) (n int) {
	var head []byte
	size := -1
	b.heads, b.size = b.heads[:0], 0
	for _, chunk := range chunks {
		if n > 0 && b.size+len(chunk) > maxVector {
			break
		}
		if len(chunk) != size {
			size = len(chunk)
			start := len(b.heads)
			b.heads = appendPublishHead(b.heads, version, topic, size)
			head = b.heads[start:]
		}
		b.vector.add(head)
		b.vector.add(chunk)
		b.size += len(head) + size
		n++
	}
	return n
}

// writeVector writes what b has gathered. false: that has ended the link.
func (l *Link) writeVector(b *batch) bool {
	defer b.vector.reset()
	if err := l.steady.writeTCP(l.tcp, &b.vector); err != nil {
		_ = l.broken()
		return false
	}
	l.broker.count.bytes.Add(uint64(b.size))
	return true
}

// writeFlat writes copies of chunks in one piece: one TLS or WebSocket write.
func (l *Link) writeFlat(topic string, chunks [][]byte) int {
	flat := flats.Get().(*[]byte)
	defer flats.Put(flat)
	p, n := (*flat)[:0], 0
	for _, chunk := range chunks {
		if n > 0 && len(p)+len(chunk) > maxFlat {
			break
		}
		p = append(appendPublishHead(p, l.version, topic, len(chunk)), chunk...)
		n++
	}
	*flat = p
	if l.writeNow(p) != nil {
		return 0
	}
	return n
}
