package chunkio

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// line is a Writer on a narrow TCP connection whose other end reads nothing by itself.
type line struct {
	*Writer
	t   *testing.T
	far *net.TCPConn

	mu     sync.Mutex
	failed []string // streams whose source failed
}

func newLine(t *testing.T) *line {
	near, far := pair(t)
	l := &line{t: t, far: far}
	conn := NewConn(near, time.Minute)
	l.Writer = NewWriter(conn, conn, l, new(Counters))
	l.Open()
	t.Cleanup(func() {
		l.end()
		l.Wait()
	})
	return l
}

// end ends the line as its owner does.
func (l *line) end() {
	if l.End() {
		_ = l.transport.Close()
	}
}

func (l *line) WriteFailed()                 { l.End() }
func (l *line) Panicked(v any, stack []byte) { l.t.Errorf("panic: %v\n%s", v, stack) }
func (l *line) SourceFailed(stream string, _ error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failed = append(l.failed, stream)
}

// to is the stream of a device, whose chunks go behind their size.
func (l *line) to(device string) *Stream {
	return l.Stream(device, 0, func(dst []byte, _ string, size int) []byte { return binary.BigEndian.AppendUint32(dst, uint32(size)) })
}

func (l *line) expectState(want state) {
	l.t.Helper()
	l.Writer.mu.Lock()
	defer l.Writer.mu.Unlock()
	if l.queue.state != want {
		l.t.Errorf("got state %d, want %d", l.queue.state, want)
	}
}

// expectChunks reads n chunks.
func (l *line) expectChunks(n int) {
	l.t.Helper()
	for range n {
		l.index()
	}
}

// index reads a chunk and returns the index that it begins with.
func (l *line) index() uint32 {
	l.t.Helper()
	var head struct{ Size, Index uint32 }
	err := binary.Read(l.far, binary.BigEndian, &head)
	if err == nil {
		_, err = io.CopyN(io.Discard, l.far, int64(head.Size)-4)
	}
	if err != nil {
		l.t.Fatalf("%d bytes: %v", head.Size, err)
	}
	return head.Index
}

// rests waits until no goroutine writes.
func (l *line) rests() {
	l.t.Helper()
	l.Wait()
	l.expectState(idle)
	if l.queue.items != nil {
		l.t.Error("an idle queue keeps its ranges alive")
	}
}

// source has chunks of one size. Where it has a gate, it is asked for them, then gives them
// when that opens.
type source struct {
	size  int
	err   error
	asked chan struct{} // nil: gives at once
	gate  chan struct{}
}

func newGated() *source {
	return &source{size: 100, asked: make(chan struct{}), gate: make(chan struct{})}
}

func (s *source) Chunks(done <-chan struct{}, dst [][]byte, _, count uint32) ([][]byte, error) {
	if s.asked != nil {
		select {
		case s.asked <- struct{}{}:
		case <-done:
			return nil, errors.New("interrupted")
		}
		select {
		case <-s.gate:
		case <-done:
			return nil, errors.New("interrupted")
		}
	}
	if s.err != nil {
		return nil, s.err
	}
	return append(dst, slices.Repeat([][]byte{make([]byte, s.size)}, int(count))...), nil
}

// TestStatesFollowTheTable holds each row of the table at type state.
func TestStatesFollowTheTable(t *testing.T) {
	small, huge := &source{size: 100}, &source{size: 1 << 20}
	for name, row := range map[string]func(l *line){
		"idle, Send": func(l *line) {
			s := newGated()
			l.to("a").Send(s, 0, 3)
			<-s.asked
			l.expectState(waiting)
			close(s.gate)
			l.expectChunks(3)
			l.rests()
		},
		"idle, Hold; held, Begin with nothing queued": func(l *line) {
			l.Hold()
			l.expectState(held)
			l.Begin()
			l.rests()
		},
		"held, Begin writes all": func(l *line) {
			l.Hold()
			l.to("a").Send(small, 0, 3)
			l.expectState(held)
			l.Begin()
			l.expectState(idle) // at once: no goroutine was needed
			l.expectChunks(3)
			l.rests()
		},
		"held, Begin leaves something that the connection does not take": func(l *line) {
			l.Hold()
			l.to("a").Send(huge, 0, 9)
			l.Begin()
			l.expectState(sending)
			l.expectChunks(9)
			l.rests()
		},
		"held, Begin leaves something that is not there yet": func(l *line) {
			s := newGated()
			l.Hold()
			l.to("a").Send(s, 0, 3)
			l.Begin()
			<-s.asked
			l.expectState(waiting)
			close(s.gate)
			l.expectChunks(3)
			l.rests()
		},
		"held, another device's chunks are left to a goroutine": func(l *line) {
			l.Hold()
			l.to("a").Send(small, 0, 3)
			l.to("b").Send(small, 0, 3)
			l.Begin()
			l.expectChunks(6)
			l.rests()
		},
		"held, Stop": func(l *line) {
			l.Hold()
			l.to("a").Send(small, 0, 3)
			l.to("a").Stop()
			l.Begin()
			l.rests()
		},
		"sending, Hold and Begin": func(l *line) {
			l.Hold()
			l.to("a").Send(huge, 0, 9)
			l.Begin()
			l.Hold()
			l.to("a").Send(huge, 9, 1)
			l.Begin()
			l.expectState(sending)
			l.expectChunks(10)
			l.rests()
		},
		"waiting, the range is dropped": func(l *line) {
			s := newGated()
			l.to("a").Send(s, 0, 3)
			<-s.asked
			l.to("a").Stop()
			l.rests()
		},
		"waiting, the range is replaced": func(l *line) {
			s := newGated()
			l.to("a").Send(s, 0, 3)
			<-s.asked
			l.to("a").Send(small, 0, 2)
			l.expectChunks(2)
			l.rests()
		},
		"waiting, another device's range is dropped": func(l *line) {
			s := newGated()
			l.to("a").Send(s, 0, 3)
			<-s.asked
			l.to("b").Send(small, 0, 2)
			l.to("b").Stop()
			l.expectState(waiting)
			close(s.gate)
			l.expectChunks(3)
			l.rests()
		},
		"waiting, the source fails": func(l *line) {
			s := newGated()
			s.err = errors.New("disk")
			l.to("a").Send(s, 0, 3)
			<-s.asked
			close(s.gate)
			l.rests()
			if !slices.Equal(l.failed, []string{"a"}) {
				l.t.Errorf("got failures of %v, want one of a", l.failed)
			}
		},
		"waiting, the source fails when the wait was interrupted": func(l *line) {
			s := newGated()
			l.to("a").Send(s, 0, 3)
			<-s.asked
			l.to("a").Stop()
			l.rests()
			if len(l.failed) > 0 {
				l.t.Errorf("got failures of %v, want none", l.failed)
			}
		},
		"idle, End": func(l *line) { l.end() },
		"held, End": func(l *line) {
			l.Hold()
			l.to("a").Send(small, 0, 3)
			l.end()
			l.Begin()
		},
		"sending, End": func(l *line) {
			l.Hold()
			l.to("a").Send(huge, 0, 9)
			l.Begin()
			l.end()
		},
		"waiting, End": func(l *line) {
			s := newGated()
			l.to("a").Send(s, 0, 3)
			<-s.asked
			l.end()
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLine(t)
			row(l)
			l.end()
			l.expectEnded()
		})
	}
}

// expectEnded holds that nothing is sent any more.
func (l *line) expectEnded() {
	l.t.Helper()
	l.Wait()
	l.Hold()
	l.to("a").Send(&source{size: 100}, 0, 3)
	l.Begin()
	l.Wait()
	l.expectState(ended)
	if l.queue.items != nil || l.Write([]byte("x")) == nil {
		l.t.Error("something is queued or written after End")
	}
}
