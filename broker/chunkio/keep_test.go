package chunkio

import (
	"encoding/binary"
	"testing"
)

// numbered has chunks of size bytes, which begin with their index.
type numbered int

func (size numbered) Chunks(_ <-chan struct{}, dst [][]byte, first, count uint32) ([][]byte, error) {
	for i := range count {
		chunk := make([]byte, size)
		binary.BigEndian.PutUint32(chunk, first+i)
		dst = append(dst, chunk)
	}
	return dst, nil
}

// expectIndexes reads chunks, which have to come in order.
func (l *line) expectIndexes(first, count uint32) {
	l.t.Helper()
	for i := range count {
		if got := l.index(); got != first+i {
			l.t.Fatalf("got chunk %d, want %d", got, first+i)
		}
	}
}

// TestKeptChunksGoOnBehindTheLastOneThatWasWritten keeps and resumes at any moment of a write.
func TestKeptChunksGoOnBehindTheLastOneThatWasWritten(t *testing.T) {
	const chunks = 1000
	l := newLine(t)
	s := l.to("a")
	s.Send(numbered(4000), 0, chunks)
	done := make(chan struct{})
	l.senders.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
				s.Keep(nil, 0, 0)
				s.Resume()
			}
		}
	})
	l.expectIndexes(0, chunks)
	close(done)
	l.rests()
}

func TestKeptChunks(t *testing.T) {
	src := numbered(100)
	for name, row := range map[string]func(l *line, s *Stream){
		"are not sent": func(l *line, s *Stream) {
			s.Keep(src, 0, 3)
			l.to("b").Send(src, 7, 2)
			l.expectIndexes(7, 2)
			l.Wait()
			l.expectState(idle)
			s.Resume()
			l.expectIndexes(0, 3)
		},
		"are what is queued, too": func(l *line, s *Stream) {
			gated := newGated()
			s.Send(gated, 0, 3)
			<-gated.asked
			s.Keep(nil, 0, 0)
			l.Wait() // it waits for no source
			l.expectState(idle)
			close(gated.gate)
			s.Resume()
			<-gated.asked
			l.expectChunks(3)
		},
		"get longer": func(l *line, s *Stream) {
			s.Keep(src, 0, 3)
			s.Keep(src, 3, 2)
			l.Hold()
			s.Send(src, 5, 1)
			l.Begin()
			l.expectIndexes(0, 6)
		},
		"are replaced": func(l *line, s *Stream) {
			s.Keep(src, 0, 3)
			s.Keep(src, 1, 2)
			s.Resume()
			l.expectIndexes(1, 2)
		},
		"are replaced and sent": func(l *line, s *Stream) {
			s.Keep(src, 0, 3)
			s.Send(src, 2, 2)
			l.expectIndexes(2, 2)
		},
		"are dropped": func(l *line, s *Stream) {
			s.Keep(src, 0, 3)
			s.Stop()
			s.Resume()
			s.Keep(nil, 0, 0)
		},
		"are resumed by the reader": func(l *line, s *Stream) {
			s.Keep(src, 0, 3)
			l.Hold()
			s.Resume()
			l.expectState(held)
			l.Begin()
			l.expectState(idle)
			l.expectIndexes(0, 3)
		},
		"end with the connection": func(l *line, s *Stream) {
			s.Keep(src, 0, 3)
			l.end()
			s.Keep(src, 0, 3)
			s.Resume()
			l.expectEnded()
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLine(t)
			row(l, l.to("a"))
			select {
			case <-l.Closed():
			default:
				l.rests()
			}
		})
	}
}
