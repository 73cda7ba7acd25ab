package chunkio

import (
	"reflect"
	"slices"

	"github.com/muster-iot/muster/wire"
)

// state records who works on the queue of chunks. This is every change, all made with
// Writer.mu held:
//
//	state    on                                       becomes
//	idle     Stream.Send, Resume of what is left      sending, on a new goroutine
//	idle     Hold                                     held
//	held     Begin, nothing queued or all written     idle
//	held     Begin, something left                    sending, on a new goroutine
//	sending  it asks a source for chunks              waiting
//	sending  nothing is queued but what is kept       idle, and the goroutine ends
//	waiting  the chunks are there, or can't be read   sending
//	waiting  their range is replaced, kept, dropped   sending, and the wait is interrupted
//	any      End                                      ended
//
// Send, Keep, Resume, Stop and Begin change the queue or nothing in the other states.
type state uint8

const (
	idle    state = iota
	held          // the reader handles a Want: it will begin what that queues
	sending       // a goroutine writes, or is about to
	waiting       // a goroutine waits for a source
	ended
)

// queue is the chunks to send. It is guarded by Writer.mu.
type queue struct {
	state  state
	items  []item // at most one per stream
	turn   int    // index of the next to serve
	serial uint64 // of the last item
	size   int    // bytes of the last chunk, 0 before the first

	// In state waiting only.
	interrupt chan struct{} // closed to end the wait
	awaited   uint64        // serial of the item whose chunks are awaited
}

// item is a range of chunks that one device still has to get.
type item struct {
	stream       *Stream
	source       wire.ChunkSource
	first, count uint32
	serial       uint64 // changes when another range takes its place
	kept         bool   // nothing of it is sent until Send or Resume
}

// Stream is how chunks are sent to one device over a Writer; a gateway's connection has
// one for each device behind it. Its methods may be called concurrently and never block.
type Stream struct {
	writer *Writer
	name   string
	most   int // bytes of an encoded chunk that the device takes, 0: any
	head   Head
}

// Head appends what precedes a chunk of size bytes on the stream of that name.
type Head func(dst []byte, name string, size int) []byte

// Stream returns the stream of that name, which is unique to a device: streams of one name
// share one range. Chunks larger than most bytes are dropped, unless it is 0.
func (w *Writer) Stream(name string, most int, head Head) *Stream {
	return &Stream{writer: w, name: name, most: most, head: head}
}

// takes reports whether the device takes a packet with chunk in it.
func (s *Stream) takes(chunk []byte) bool { return s.most == 0 || len(chunk) <= s.most }

// Send queues the chunks first to first+count-1 of src, count > 0, in place of those that
// are still queued. A range that begins where the queued one of the same source ends
// extends it. A write that has begun is finished. Streams are served in turn. Send does
// nothing once the connection has ended.
func (s *Stream) Send(src wire.ChunkSource, first, count uint32) {
	w := s.writer
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.queue.state == ended {
		return
	}
	w.queue.put(item{stream: s, source: src, first: first, count: count})
	w.start()
}

// Keep queues chunks as Send does, and keeps what is queued then until Resume or Send. With no
// count it only keeps what is queued. A write that has begun is finished, and not repeated.
func (s *Stream) Keep(src wire.ChunkSource, first, count uint32) {
	w := s.writer
	w.mu.Lock()
	defer w.mu.Unlock()
	q := &w.queue
	if q.state == ended {
		return
	}
	if count > 0 {
		q.put(item{stream: s, source: src, first: first, count: count})
	}
	if i := q.of(s); i >= 0 {
		q.wake(i)
		q.items[i].kept = true
	}
}

// Resume has the chunks sent that are kept, from the first on that was not written.
func (s *Stream) Resume() {
	w := s.writer
	w.mu.Lock()
	defer w.mu.Unlock()
	if i := w.queue.of(s); i >= 0 {
		w.queue.items[i].kept = false
		w.start()
	}
}

// start has a goroutine send what is queued, unless one does. The caller holds mu.
func (w *Writer) start() {
	if w.queue.state == idle && w.queue.ready() {
		w.queue.state = sending
		w.senders.Go(func() { w.run(newBatch()) })
	}
}

// Stop drops the chunks that are queued. A write that has begun is finished.
func (s *Stream) Stop() {
	w := s.writer
	w.mu.Lock()
	defer w.mu.Unlock()
	if i := w.queue.of(s); i >= 0 {
		w.queue.wake(i)
		w.queue.drop(i)
	}
}

// put adds it to what is queued, or in place of that.
func (q *queue) put(it item) {
	i := q.of(it.stream)
	if i >= 0 && q.items[i].continuedBy(it) {
		q.items[i].count += it.count
		q.items[i].kept = false
		return
	}
	q.serial++
	it.serial = q.serial
	if i < 0 {
		q.items = append(q.items, it)
		return
	}
	q.wake(i)
	q.items[i] = it // it keeps its turn
}

// ready reports whether there is anything to send.
func (q *queue) ready() bool {
	return slices.ContainsFunc(q.items, func(it item) bool { return !it.kept })
}

func (it *item) continuedBy(next item) bool {
	return uint64(next.first) == uint64(it.first)+uint64(it.count) &&
		reflect.TypeOf(next.source) == reflect.TypeOf(it.source) && reflect.TypeOf(next.source).Comparable() && next.source == it.source
}

// of is the index of s's range, -1: none.
func (q *queue) of(s *Stream) int {
	return slices.IndexFunc(q.items, func(it item) bool { return it.stream.name == s.name })
}

// find is the index of the range with that serial, -1 when it is no longer queued.
func (q *queue) find(serial uint64) int {
	return slices.IndexFunc(q.items, func(it item) bool { return it.serial == serial })
}

func (q *queue) drop(i int) {
	if len(q.items) == 1 {
		q.items, q.turn = nil, 0
		return
	}
	q.items = slices.Delete(q.items, i, i+1)
	if q.turn > i {
		q.turn--
	}
}

// wake interrupts the wait for chunks of the range at i.
func (q *queue) wake(i int) {
	if q.state == waiting && q.awaited == q.items[i].serial {
		close(q.interrupt)
		q.state = sending
	}
}

// rest makes a queue idle in which there is nothing to send, and reports whether the sender is done.
func (q *queue) rest() bool {
	switch {
	case q.state == ended:
		return true
	case q.ready():
		return false
	}
	q.state, q.turn = idle, 0
	return true
}

// next is the range whose turn it is, in a queue with something to send, and how many of its
// chunks to ask for.
func (q *queue) next() (it item, want uint32) {
	for {
		q.turn %= len(q.items)
		it = q.items[q.turn]
		q.turn++
		if !it.kept {
			break
		}
	}
	size := q.size
	if size == 0 {
		size = wire.DefaultChunk
	}
	return it, min(it.count, uint32(max(1, maxVector/size)))
}

// end drops everything for good.
func (q *queue) end() {
	if q.state == waiting {
		close(q.interrupt)
	}
	q.state, q.items = ended, nil
}
