package broker

import (
	"reflect"
	"runtime/debug"
	"slices"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

// owed is a range of chunks that one device still has to get.
type owed struct {
	device       fleet.DeviceID
	topic        string
	source       wire.ChunkSource
	first, count uint32
	serial       uint64 // changes when another range takes its place
}

// sending is what a link owes, and the goroutine that works it off. It is guarded by the
// link's mu.
type sending struct {
	owed     []owed // at most one per device, in turn
	turn     int    // index of the next to serve
	serial   uint64 // of the last range
	size     int    // bytes of the last chunk, 0 before the first
	running  bool
	held     bool          // the reader is at a Want: it begins itself what that makes owed
	due      bool          // it has to
	stop     chan struct{} // closed to end the wait for the chunks of fetching; nil: not waiting
	fetching uint64        // serial of the range whose chunks are being waited for
}

func (s *sending) interrupt() {
	if s.stop != nil {
		close(s.stop)
		s.stop = nil
	}
}

// SendChunks queues the chunks first to first+count-1 of src for t's device, in place of
// those that are still queued for it; t is that device's chunk topic. A range that begins
// where the queued one of the same source ends extends it. Devices behind a gateway are
// served in turn.
//
// It never blocks. Chunks are written on a goroutine of the link's own, which ends when
// none are queued, or by the reader, which begins what a Want asked for. A write that has
// begun is finished. SendChunks does nothing once the link has ended.
func (l *Link) SendChunks(t wire.Topic, src wire.ChunkSource, first, count uint32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return
	}
	s := &l.chunks
	device := t.Device()
	i := slices.IndexFunc(s.owed, func(o owed) bool { return o.device == device })
	if i >= 0 {
		if o := &s.owed[i]; continues(o, src, first) {
			o.count += count
			return
		}
		if s.owed[i].serial == s.fetching {
			s.interrupt()
		}
	}
	s.serial++
	o := owed{device: device, topic: t.String(), source: src, first: first, count: count, serial: s.serial}
	if i >= 0 {
		s.owed[i] = o // it keeps its turn
	} else {
		s.owed = append(s.owed, o)
	}
	switch {
	case s.running:
	case s.held:
		s.running, s.due = true, true
	default:
		s.running = true
		l.senders.Go(func() { l.work(batches.Get().(*batch)) })
	}
}

// StopChunks drops the chunks queued for t's device. It never blocks; a write that has
// begun is finished.
func (l *Link) StopChunks(t wire.Topic) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := &l.chunks
	device := t.Device()
	i := slices.IndexFunc(s.owed, func(o owed) bool { return o.device == device })
	if i >= 0 && s.owed[i].serial == s.fetching {
		s.interrupt()
	}
	s.drop(i)
}

func continues(o *owed, src wire.ChunkSource, first uint32) bool {
	return uint64(first) == uint64(o.first)+uint64(o.count) &&
		reflect.TypeOf(src) == reflect.TypeOf(o.source) && reflect.TypeOf(src).Comparable() && src == o.source
}

// drop forgets the range at i, if there is one.
func (s *sending) drop(i int) {
	if i < 0 {
		return
	}
	s.owed = slices.Delete(s.owed, i, i+1)
	if s.turn > i {
		s.turn--
	}
}

// find is the index of the range with that serial, -1 when it is no longer owed.
func (s *sending) find(serial uint64) int {
	return slices.IndexFunc(s.owed, func(o owed) bool { return o.serial == serial })
}

// work sends what is owed until nothing is, on a goroutine of its own.
func (l *Link) work(b *batch) {
	defer l.survive()
	defer b.free()
	for {
		o, want, stop := l.next()
		if stop == nil {
			return
		}
		var err error
		b.chunks, err = o.source.Chunks(stop, b.chunks[:0], o.first, want)
		if err == nil && len(b.chunks) == 0 {
			err = fleet.Errorf(fleet.Invalid, "no chunks from %d", o.first)
		}
		if err != nil {
			l.gaveUp(o, err)
			continue
		}
		l.push(o, b, b.chunks)
	}
}

// survive has a panic of the goroutine end the link and nothing else.
func (l *Link) survive() {
	if r := recover(); r != nil {
		l.panicked(r, debug.Stack())
		l.end(codeUnspecified)
	}
}

// next picks the range whose turn it is and how many of its chunks to ask for. A nil
// stop means that nothing is owed: the sender has to end.
func (l *Link) next() (o owed, want uint32, stop chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := &l.chunks
	if l.resting() {
		return owed{}, 0, nil
	}
	s.turn %= len(s.owed)
	o = s.owed[s.turn]
	s.turn++
	size := s.size
	if size == 0 {
		size = wire.DefaultChunk
	}
	s.stop, s.fetching = make(chan struct{}), o.serial
	return o, min(o.count, uint32(max(1, maxVector/size))), s.stop
}

// resting reports whether nothing is owed, and notes that nobody works then. The caller
// holds mu.
func (l *Link) resting() bool {
	s := &l.chunks
	if l.ended || len(s.owed) == 0 {
		s.owed, s.running = nil, false
	}
	return !s.running
}

// gaveUp forgets a range whose source failed, unless it was told to stop waiting. The
// device asks again when nothing comes.
func (l *Link) gaveUp(o owed, err error) {
	l.mu.Lock()
	i := l.chunks.find(o.serial)
	stopped := l.chunks.stop == nil
	l.chunks.stop = nil
	if stopped || i < 0 {
		l.mu.Unlock()
		return
	}
	l.chunks.drop(i)
	l.mu.Unlock()
	l.broker.count.ignored[ignoredSource].Add(1)
	l.broker.log.Warn("chunks could not be read", "device", o.device, "err", err)
}

// push writes chunks in as many writes as their size asks for, as long as o is owed.
func (l *Link) push(o owed, b *batch, chunks [][]byte) {
	for len(chunks) > 0 {
		select {
		case <-l.token:
		case <-l.closed:
			return
		}
		n := 0
		if l.flush() == nil && l.stillOwed(o, len(chunks[0])) { // an Offer goes before its chunks
			n = l.writeChunks(o.topic, b, chunks)
		}
		if !l.wrote(o, n) {
			return
		}
		chunks = chunks[n:]
	}
}

// wrote gives the token back after n chunks of o, and reports whether more are owed.
func (l *Link) wrote(o owed, n int) bool {
	_ = l.flush() // what waited for this write; an error has ended the link
	l.release()
	return n > 0 && l.sent(o, uint32(n))
}

// stillOwed reports whether chunks of o may still go out.
func (l *Link) stillOwed(o owed, size int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := &l.chunks
	s.stop = nil
	s.size = size
	return !l.ended && s.find(o.serial) >= 0
}

// sent takes n chunks off o and reports whether it is still owed.
func (l *Link) sent(o owed, n uint32) bool {
	l.broker.count.out.Add(uint64(n))
	l.broker.count.chunks.Add(uint64(n))
	l.mu.Lock()
	defer l.mu.Unlock()
	s := &l.chunks
	i := s.find(o.serial)
	if i < 0 {
		return false
	}
	p := &s.owed[i]
	n = min(n, p.count)
	p.first, p.count = p.first+n, p.count-n
	if p.count == 0 {
		s.drop(i)
		return false
	}
	return true
}
