package broker

import "github.com/muster-iot/muster/wire"

// deal hands a message to the session. What a Want makes the link owe is begun here, on
// the reader's goroutine: a connection that takes the chunks at once then needs no other,
// and waking one costs about as much as writing them.
func (l *Link) deal(t wire.Topic, payload []byte) error {
	if t.Kind != wire.TopicWant || l.tcp == nil { // a write through TLS or a WebSocket can't be tried
		return l.session.Receive(l.broker.base, t, payload)
	}
	l.mu.Lock()
	l.chunks.held = true
	l.mu.Unlock()
	err := l.session.Receive(l.broker.base, t, payload)
	l.mu.Lock()
	due := l.chunks.due
	l.chunks.held, l.chunks.due = false, false
	l.mu.Unlock()
	if due {
		l.begin()
	}
	return err
}

// begin works off what is owed as far as that goes without waiting. The reader must not
// wait for the device to read: it may be waiting itself, for what it sends to be read.
func (l *Link) begin() {
	b := batches.Get().(*batch)
	rest := l.attempt(b)
	if rest == nil {
		b.free()
		return
	}
	l.senders.Go(func() {
		defer l.survive()
		rest()
		l.work(b)
	})
}

// past is closed: with it, a source gives what it can give at once.
var past = func() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// attempt makes one write that does not wait. It returns what to do before more work, on
// a goroutine that may; nil when nothing is owed any more.
func (l *Link) attempt(b *batch) (rest func()) {
	more := func() {}
	if !l.grab() {
		return more
	}
	if l.crowded() { // an Offer goes before its chunks
		l.release()
		return more
	}
	o, want, stop := l.next()
	if stop == nil {
		l.release()
		return nil
	}
	var err error
	b.chunks, err = o.source.Chunks(past, b.chunks[:0], o.first, want)
	chunks := b.chunks
	if err != nil || len(chunks) == 0 || !l.takes(maxPublishHead+len(o.topic)+len(chunks[0])) || !l.stillOwed(o, len(chunks[0])) {
		l.release()
		return more
	}
	n := b.gather(l.version, o.topic, chunks)
	all, err := l.steady.tryTCP(l.tcp, &b.vector)
	switch {
	case err != nil:
		b.vector.reset()
		_ = l.broken()
		l.release()
		return nil
	case !all:
		return func() {
			written := 0
			if l.writeVector(b) {
				written = n
			}
			if l.wrote(o, written) {
				l.push(o, b, chunks[written:])
			}
		}
	}
	b.vector.reset()
	l.broker.count.bytes.Add(uint64(b.size))
	l.release()
	if l.sent(o, uint32(n)) {
		return func() { l.push(o, b, chunks[n:]) }
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.resting() {
		return nil
	}
	return more
}
