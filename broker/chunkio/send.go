package chunkio

import "runtime/debug"

// Hold announces that the reader handles a message that may queue chunks: the reader begins
// them itself, in Begin, which has to follow. A connection that takes them at once then needs
// no other goroutine, and waking one costs about as much as writing them
// (docs/adr/0008). It does nothing where a write can't be tried: TLS and WebSocket.
func (w *Writer) Hold() {
	if !w.vectored {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.queue.state == idle {
		w.queue.state = held
	}
}

// Begin makes one write of what was queued since Hold, as far as it goes without waiting:
// the reader must not wait for the device to read, which may itself be waiting for what it
// sends to be read. The rest is left to a goroutine.
func (w *Writer) Begin() {
	if !w.vectored {
		return
	}
	w.mu.Lock()
	done := w.queue.state != held || w.queue.rest()
	w.mu.Unlock()
	if done {
		return
	}
	b := newBatch()
	if w.try(b) {
		b.free()
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.queue.state == ended {
		b.vector.reset()
		b.free()
		return
	}
	w.queue.state = sending
	w.senders.Go(func() { w.run(b) })
}

// past is closed: a source that is given it returns what it has without waiting.
var past = func() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// try makes one write that does not wait, and reports whether nothing is left to do. If b
// has begun chunks then, it also has the token.
func (w *Writer) try(b *batch) (done bool) {
	if !w.grab() {
		return false
	}
	if w.Waiting() > 0 { // an Offer goes before its chunks
		w.release()
		return false
	}
	w.mu.Lock()
	if w.queue.rest() {
		w.mu.Unlock()
		w.release()
		return true
	}
	it, want := w.queue.next()
	w.mu.Unlock()
	if b.load(it, past, want) != nil || !it.stream.takes(b.left[0]) || !w.queued(b) {
		w.release()
		return false
	}
	n := b.gather()
	all, err := w.conn.tryVector(&b.vector)
	switch {
	case err != nil:
		b.vector.reset()
		w.owner.WriteFailed()
		w.release()
		return true
	case !all:
		b.begun = n
		return false
	}
	b.vector.reset()
	w.counters.Bytes.Add(uint64(b.size))
	w.counters.Chunks.Add(uint64(n))
	w.release()
	if w.sent(b, n) {
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.queue.rest()
}

// run sends what b has and then what is queued until nothing is. It has a goroutine of its
// own.
func (w *Writer) run(b *batch) {
	defer func() {
		if v := recover(); v != nil {
			w.owner.Panicked(v, debug.Stack())
		}
	}()
	defer b.free()
	if b.begun > 0 {
		w.finish(b)
	}
	for {
		w.push(b)
		if !w.fetch(b) {
			return
		}
	}
}

// finish writes the rest of a write that try has begun.
func (w *Writer) finish(b *batch) {
	n := 0
	if w.writeVector(b) {
		n = b.begun
		w.counters.Chunks.Add(uint64(n))
	}
	b.begun = 0
	w.wrote(b, n)
}

// push writes what is left in b, in as many writes as its size asks for, as long as its
// range is queued.
func (w *Writer) push(b *batch) {
	for len(b.left) > 0 {
		select {
		case <-w.token:
		case <-w.closed:
			return
		}
		n := 0
		if w.flush() == nil && w.queued(b) { // an Offer goes before its chunks
			n = w.write(b)
		}
		w.wrote(b, n)
	}
}

// fetch loads the next chunks into b. It returns false when nothing is queued.
func (w *Writer) fetch(b *batch) bool {
	for {
		w.mu.Lock()
		if w.queue.rest() {
			w.mu.Unlock()
			return false
		}
		it, want := w.queue.next()
		done := make(chan struct{})
		w.queue.state, w.queue.interrupt, w.queue.awaited = waiting, done, it.serial
		w.mu.Unlock()
		if err := b.load(it, done, want); w.arrived(it, err) {
			return true
		}
	}
}

// arrived ends the wait for chunks of it, and reports whether they are there. A range whose
// source failed is dropped, unless the wait was interrupted: the device asks again when
// nothing comes.
func (w *Writer) arrived(it item, err error) bool {
	w.mu.Lock()
	q := &w.queue
	awaited := q.state == waiting
	if awaited {
		q.state = sending
	}
	i := q.find(it.serial)
	failed := err != nil && awaited && i >= 0
	if failed {
		q.drop(i)
	}
	w.mu.Unlock()
	if failed {
		w.counters.Failed.Add(1)
		w.owner.SourceFailed(it.stream.name, err)
	}
	return err == nil
}

// queued reports whether chunks of b's range may still be sent.
func (w *Writer) queued(b *batch) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.queue.size = len(b.left[0])
	i := w.queue.find(b.of.serial)
	return i >= 0 && !w.queue.items[i].kept
}

// wrote returns the token after n chunks of b, and drops the rest of b when no more of its
// range are to be sent.
func (w *Writer) wrote(b *batch, n int) {
	_ = w.flush() // what waited for this write; an error has ended the connection
	w.release()
	if n == 0 || !w.sent(b, n) {
		b.left = nil
	}
}

// sent takes n chunks off b and its range, and reports whether more of it are to be sent.
func (w *Writer) sent(b *batch, n int) bool {
	b.left = b.left[n:]
	w.mu.Lock()
	defer w.mu.Unlock()
	q := &w.queue
	i := q.find(b.of.serial)
	if i < 0 {
		return false
	}
	it := &q.items[i]
	n = min(n, int(it.count))
	it.first, it.count = it.first+uint32(n), it.count-uint32(n)
	if it.count == 0 {
		q.drop(i)
		return false
	}
	return !it.kept
}
