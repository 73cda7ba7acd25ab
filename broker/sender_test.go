package broker

import (
	"errors"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

// image is a ChunkSource in memory. A call waits while it is shut, or for done.
type image struct {
	chunks [][]byte
	most   int // chunks per call, 0: all
	err    error

	mu      sync.Mutex
	gate    chan struct{} // what calls wait for, nil: nothing
	stopped int           // calls ended by done
}

func newImage(count, size int) *image {
	im := new(image)
	for i := range count {
		im.chunks = append(im.chunks, wire.AppendChunk(nil, wire.Chunk{Image: fleet.Image{1}, Index: uint32(i), Data: make([]byte, size)}))
	}
	return im
}

// shut has calls wait for open.
func (im *image) shut() (open func()) {
	gate := make(chan struct{})
	im.mu.Lock()
	im.gate = gate
	im.mu.Unlock()
	return func() { close(gate) }
}

func (im *image) Chunks(done <-chan struct{}, dst [][]byte, first, count uint32) ([][]byte, error) {
	im.mu.Lock()
	gate := im.gate
	im.mu.Unlock()
	if gate != nil {
		select {
		case <-gate:
		case <-done:
			im.mu.Lock()
			im.stopped++
			im.mu.Unlock()
			return nil, errors.New("asked to stop")
		}
	}
	if im.err != nil {
		return nil, im.err
	}
	n := count
	if im.most > 0 {
		n = min(n, uint32(im.most))
	}
	return append(dst, im.chunks[first:first+n]...), nil
}

// expectChunk expects the chunk index as the next packet.
func (c *client) expectChunk(topic string, index uint32) {
	c.t.Helper()
	got, payload := c.published()
	chunk, err := wire.ParseChunk(payload)
	if err != nil {
		c.t.Fatalf("%s: %v", got, err)
	}
	if got != topic || chunk.Index != index {
		c.t.Fatalf("got chunk %d on %s, want %d on %s", chunk.Index, got, index, topic)
	}
}

// downloading is a device on a net.Pipe, which takes a byte only when the test reads it.
func downloading(t *testing.T, test func(t *testing.T, c *client, s *session)) {
	bubble(t, Config{}, func(t *testing.T, b *Broker, cloud *cloud, version byte) {
		c := pipe(t, b, version).join("gw")
		test(t, c, <-cloud.came)
	})
}

const own, child = "d/gw/down/chunk", "d/gw/b/c1/down/chunk"

func TestQueuedChunksComeInOrder(t *testing.T) {
	downloading(t, func(t *testing.T, c *client, s *session) {
		s.link().Chunks(topicOf(t, own)).Send(newImage(100, 300), 5, 64)
		for i := range uint32(64) {
			c.expectChunk(own, 5+i)
		}
		c.ping()
	})
}

func TestNewRangeReplacesTheQueuedOne(t *testing.T) {
	downloading(t, func(t *testing.T, c *client, s *session) {
		im := newImage(64, 128)
		im.most = 1
		s.link().Chunks(topicOf(t, own)).Send(im, 0, 30)
		c.expectChunk(own, 0)
		synctest.Wait() // chunk 1 is being written: it was begun
		s.link().Chunks(topicOf(t, own)).Send(im, 50, 2)
		c.expectChunk(own, 1)
		c.expectChunk(own, 50)
		c.expectChunk(own, 51)
		c.ping()
	})
}

func TestRangeThatContinuesTheQueuedOneLosesNothing(t *testing.T) {
	downloading(t, func(t *testing.T, c *client, s *session) {
		im := newImage(64, 128)
		im.most = 1
		s.link().Chunks(topicOf(t, own)).Send(im, 0, 8)
		c.expectChunk(own, 0)
		s.link().Chunks(topicOf(t, own)).Send(im, 8, 8)
		for i := range uint32(15) {
			c.expectChunk(own, 1+i)
		}
		c.ping()
	})
}

func TestRangeOfAnotherImageContinuesNothing(t *testing.T) {
	downloading(t, func(t *testing.T, c *client, s *session) {
		im := newImage(64, 128)
		im.most = 1
		s.link().Chunks(topicOf(t, own)).Send(im, 0, 8)
		synctest.Wait()
		s.link().Chunks(topicOf(t, own)).Send(newImage(64, 128), 8, 1)
		c.expectChunk(own, 0)
		c.expectChunk(own, 8)
		c.ping()
	})
}

func TestClearedRangeStopsBeforeTheNextWrite(t *testing.T) {
	downloading(t, func(t *testing.T, c *client, s *session) {
		im := newImage(64, 128)
		im.most = 1
		s.link().Chunks(topicOf(t, own)).Send(im, 0, 60)
		c.expectChunk(own, 0)
		synctest.Wait()
		s.link().Chunks(topicOf(t, own)).Stop()
		if err := s.link().Send(topicOf(t, "d/gw/down/stop"), []byte("x")); err != nil {
			t.Fatal(err)
		}
		c.expectChunk(own, 1) // was begun
		if topic, _ := c.published(); topic != "d/gw/down/stop" {
			t.Errorf("got %s, want the Stop at once", topic)
		}
		c.ping()
	})
}

func TestReplacingARangeInterruptsTheWaitForChunks(t *testing.T) {
	for _, row := range []struct {
		name string
		stop func(t *testing.T, s *session)
	}{
		{"cleared", func(t *testing.T, s *session) { s.link().Chunks(topicOf(t, own)).Stop() }},
		{"replaced", func(t *testing.T, s *session) { s.link().Chunks(topicOf(t, own)).Send(newImage(1, 128), 0, 1) }},
		{"link ended", func(_ *testing.T, s *session) { s.link().Close(fleet.Disabled) }},
	} {
		t.Run(row.name, func(t *testing.T) {
			downloading(t, func(t *testing.T, c *client, s *session) {
				im := newImage(8, 128)
				im.shut()
				s.link().Chunks(topicOf(t, own)).Send(im, 0, 8)
				synctest.Wait()
				go row.stop(t, s)
				go c.drain()
				synctest.Wait()
				im.mu.Lock()
				defer im.mu.Unlock()
				if im.stopped != 1 {
					t.Errorf("%d waits were ended, want 1", im.stopped)
				}
			})
		})
	}
}

func TestContinuingDoesNotInterruptTheWait(t *testing.T) {
	downloading(t, func(t *testing.T, c *client, s *session) {
		im := newImage(8, 128)
		open := im.shut()
		s.link().Chunks(topicOf(t, own)).Send(im, 0, 4)
		synctest.Wait()
		s.link().Chunks(topicOf(t, own)).Send(im, 4, 4)
		open()
		for i := range uint32(8) {
			c.expectChunk(own, i)
		}
		if im.stopped != 0 {
			t.Error("the wait was interrupted")
		}
	})
}

func TestChildrenAreServedInTurn(t *testing.T) {
	downloading(t, func(t *testing.T, c *client, s *session) {
		im := newImage(64, 128)
		im.most = 2
		topics := []string{own, child, "d/gw/b/c2/down/chunk"}
		for _, topic := range topics {
			s.link().Chunks(topicOf(t, topic)).Send(im, 0, 6)
		}
		for round := range uint32(3) {
			for _, topic := range topics {
				c.expectChunk(topic, 2*round)
				c.expectChunk(topic, 2*round+1)
			}
		}
		c.ping()
	})
}

func TestChildThatAsksOftenDoesNotStarveTheOthers(t *testing.T) {
	downloading(t, func(t *testing.T, c *client, s *session) {
		im := newImage(64, 128)
		im.most = 1
		s.link().Chunks(topicOf(t, own)).Send(im, 0, 20)
		s.link().Chunks(topicOf(t, child)).Send(im, 0, 20)
		counts := map[string]int{}
		for range 20 {
			synctest.Wait()
			s.link().Chunks(topicOf(t, child)).Send(im, 0, 20)
			topic, _ := c.published()
			counts[topic]++
		}
		if counts[own] < 8 {
			t.Errorf("got %v, want about half each", counts)
		}
	})
}

func TestWhatWasSentGoesBeforeChunksQueuedAfterIt(t *testing.T) {
	downloading(t, func(t *testing.T, c *client, s *session) {
		go s.link().Send(topicOf(t, "d/gw/down/welcome"), []byte("x"))
		synctest.Wait() // it is being written, and nobody reads
		if err := s.link().Send(topicOf(t, "d/gw/down/offer"), []byte("x")); err != nil {
			t.Fatal(err)
		}
		s.link().Chunks(topicOf(t, own)).Send(newImage(2, 128), 0, 2)
		synctest.Wait()
		for _, want := range []string{"d/gw/down/welcome", "d/gw/down/offer", own, own} {
			if topic, _ := c.published(); topic != want {
				t.Errorf("got %s, want %s", topic, want)
			}
		}
	})
}

func TestFailedSourceEndsItsRangeAlone(t *testing.T) {
	downloading(t, func(t *testing.T, c *client, s *session) {
		bad := newImage(8, 128)
		bad.err = errors.New("disk")
		s.link().Chunks(topicOf(t, child)).Send(bad, 0, 8)
		s.link().Chunks(topicOf(t, own)).Send(newImage(8, 128), 0, 2)
		c.expectChunk(own, 0)
		c.expectChunk(own, 1)
		c.ping()
	})
}
