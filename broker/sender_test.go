package broker

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

// image is a ChunkSource in memory. Where gate is set, every call waits for it or done.
type image struct {
	chunks [][]byte
	most   int // chunks per call, 0: all
	gate   chan struct{}
	err    error

	mu      sync.Mutex
	stopped int // calls ended by done
}

func newImage(count, size int) *image {
	im := new(image)
	for i := range count {
		im.chunks = append(im.chunks, wire.AppendChunk(nil, wire.Chunk{Image: fleet.Image{1}, Index: uint32(i), Data: make([]byte, size)}))
	}
	return im
}

func (im *image) Chunks(done <-chan struct{}, dst [][]byte, first, count uint32) ([][]byte, error) {
	if im.gate != nil {
		select {
		case <-im.gate:
		case <-done:
			im.mu.Lock()
			im.stopped++
			im.mu.Unlock()
			return nil, errors.New("told to stop")
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

func TestOwedChunksComeInOrder(t *testing.T) {
	downloading(t, func(t *testing.T, c *client, s *session) {
		s.link().Owe(topicOf(t, own), newImage(100, 300), 5, 64)
		for i := range uint32(64) {
			c.expectChunk(own, 5+i)
		}
		c.ping()
	})
}

func TestSenderEndsWhenNothingIsOwed(t *testing.T) {
	downloading(t, func(t *testing.T, c *client, s *session) {
		for range 3 {
			s.link().Owe(topicOf(t, own), newImage(2, 128), 0, 2)
			c.expectChunk(own, 0)
			c.expectChunk(own, 1)
			synctest.Wait()
			s.link().mu.Lock()
			if s.link().chunks.running || s.link().chunks.owed != nil {
				t.Error("the sender still runs")
			}
			s.link().mu.Unlock()
		}
	})
}

func TestNewRangeReplacesTheOwedOne(t *testing.T) {
	downloading(t, func(t *testing.T, c *client, s *session) {
		im := newImage(64, 128)
		im.most = 1
		s.link().Owe(topicOf(t, own), im, 0, 30)
		c.expectChunk(own, 0)
		synctest.Wait() // chunk 1 is being written: it was begun
		s.link().Owe(topicOf(t, own), im, 50, 2)
		c.expectChunk(own, 1)
		c.expectChunk(own, 50)
		c.expectChunk(own, 51)
		c.ping()
	})
}

func TestRangeThatContinuesTheOwedOneLosesNothing(t *testing.T) {
	downloading(t, func(t *testing.T, c *client, s *session) {
		im := newImage(64, 128)
		im.most = 1
		s.link().Owe(topicOf(t, own), im, 0, 8)
		c.expectChunk(own, 0)
		s.link().Owe(topicOf(t, own), im, 8, 8)
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
		s.link().Owe(topicOf(t, own), im, 0, 8)
		synctest.Wait()
		s.link().Owe(topicOf(t, own), newImage(64, 128), 8, 1)
		c.expectChunk(own, 0)
		c.expectChunk(own, 8)
		c.ping()
	})
}

func TestClearedRangeStopsBeforeTheNextWrite(t *testing.T) {
	downloading(t, func(t *testing.T, c *client, s *session) {
		im := newImage(64, 128)
		im.most = 1
		s.link().Owe(topicOf(t, own), im, 0, 60)
		c.expectChunk(own, 0)
		synctest.Wait()
		s.link().Owe(topicOf(t, own), nil, 0, 0)
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

func TestOweInterruptsTheWaitForChunks(t *testing.T) {
	for _, row := range []struct {
		name string
		stop func(t *testing.T, s *session)
	}{
		{"cleared", func(t *testing.T, s *session) { s.link().Owe(topicOf(t, own), nil, 0, 0) }},
		{"replaced", func(t *testing.T, s *session) { s.link().Owe(topicOf(t, own), newImage(1, 128), 0, 1) }},
		{"link ended", func(_ *testing.T, s *session) { s.link().Close(fleet.Disabled) }},
	} {
		t.Run(row.name, func(t *testing.T) {
			downloading(t, func(t *testing.T, c *client, s *session) {
				im := newImage(8, 128)
				im.gate = make(chan struct{})
				s.link().Owe(topicOf(t, own), im, 0, 8)
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
		im.gate = make(chan struct{})
		s.link().Owe(topicOf(t, own), im, 0, 4)
		synctest.Wait()
		s.link().Owe(topicOf(t, own), im, 4, 4)
		close(im.gate)
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
			s.link().Owe(topicOf(t, topic), im, 0, 6)
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
		s.link().Owe(topicOf(t, own), im, 0, 20)
		s.link().Owe(topicOf(t, child), im, 0, 20)
		counts := map[string]int{}
		for range 20 {
			synctest.Wait()
			s.link().Owe(topicOf(t, child), im, 0, 20)
			topic, _ := c.published()
			counts[topic]++
		}
		if counts[own] < 8 {
			t.Errorf("got %v, want about half each", counts)
		}
	})
}

func TestWhatWasSentGoesBeforeChunksOwedAfterIt(t *testing.T) {
	downloading(t, func(t *testing.T, c *client, s *session) {
		go s.link().Send(topicOf(t, "d/gw/down/welcome"), []byte("x"))
		synctest.Wait() // it is being written, and nobody reads
		if err := s.link().Send(topicOf(t, "d/gw/down/offer"), []byte("x")); err != nil {
			t.Fatal(err)
		}
		s.link().Owe(topicOf(t, own), newImage(2, 128), 0, 2)
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
		s.link().Owe(topicOf(t, child), bad, 0, 8)
		s.link().Owe(topicOf(t, own), newImage(8, 128), 0, 2)
		c.expectChunk(own, 0)
		c.expectChunk(own, 1)
		c.ping()
	})
}

func TestReaderAnswersWhileChunksWait(t *testing.T) {
	downloading(t, func(t *testing.T, c *client, s *session) {
		s.link().Owe(topicOf(t, own), newImage(64, 1024), 0, 64)
		synctest.Wait() // the sender is in the middle of a write that nobody reads
		for id := range uint16(20) {
			c.send(publishPacket(c.version, 1, id+1, "d/gw/up/report", []byte("x"))) // blocks unless it is read
			<-s.cloud.heard
		}
		s.link().Owe(topicOf(t, own), nil, 0, 0)
		acks := 0
		for acks < 20 {
			if p := c.next(); p.head == headPuback {
				acks++
			}
		}
	})
}

func TestSlowReaderIsNotCutWhileBytesProgress(t *testing.T) {
	downloading(t, func(t *testing.T, c *client, s *session) {
		s.link().Owe(topicOf(t, own), newImage(8, 4096), 0, 8)
		one := make([]byte, 128)
		for range 8 * 4096 / len(one) {
			time.Sleep(25 * time.Second) // one 128-byte piece at a time: under two hours for 32 KiB
			c.send([]byte{0xC0, 0})      // the keep-alive is another matter
			if _, err := c.conn.Read(one); err != nil {
				t.Fatalf("cut off: %v", err)
			}
		}
	})
}

func TestConnectionThatTakesNoByteEnds(t *testing.T) {
	downloading(t, func(t *testing.T, c *client, s *session) {
		begun := time.Now()
		s.link().Owe(topicOf(t, own), newImage(8, 4096), 0, 8)
		<-s.ended
		if took := time.Since(begun); took != 30*time.Second {
			t.Errorf("ended after %v, want 30s", took)
		}
	})
}

func TestSlowReaderLosesNoMessage(t *testing.T) {
	downloading(t, func(t *testing.T, c *client, s *session) {
		const messages = 2000 // far more than may wait
		go func() {
			for i := range messages {
				if err := s.link().Send(topicOf(t, fmt.Sprintf("d/gw/down/cmd/%d", i)), make([]byte, 100)); err != nil {
					t.Errorf("Send %d: %v", i, err)
					return
				}
			}
		}()
		for i := range messages {
			if i%100 == 0 {
				time.Sleep(20 * time.Second)
				c.send([]byte{0xC0, 0})
			}
			for {
				p := c.next()
				if p.head == 0xD0 {
					continue
				}
				want := fmt.Sprintf("d/gw/down/cmd/%d", i)
				if got := string(p.body[2 : 2+len(want)]); got != want {
					t.Fatalf("got %s, want %s", got, want)
				}
				break
			}
		}
	})
}

func TestClientsPacketLimitIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cloud := newCloud()
		b := start(t, Config{}, cloud)
		c := pipe(t, b, mqtt5)
		c.connect(hello{id: "d1", user: "d1", password: "proof", properties: []byte{39, 0, 0, 1, 0}}) // 256 bytes
		s := <-cloud.came
		if err := s.link().Send(topicOf(t, "d/d1/down/cmd/1"), make([]byte, 250)); !errors.Is(err, fleet.TooLarge) {
			t.Errorf("Send: %v, want TooLarge", err)
		}
		s.link().Owe(topicOf(t, "d/d1/down/chunk"), newImage(4, 512), 0, 4)
		synctest.Wait()
		go s.link().Send(topicOf(t, "d/d1/down/cmd/2"), make([]byte, 100))
		if topic, _ := c.published(); topic != "d/d1/down/cmd/2" {
			t.Errorf("got %s", topic)
		}
	})
}

func TestIdsOfDeviceAndSenderDoNotCollide(t *testing.T) {
	downloading(t, func(t *testing.T, c *client, s *session) {
		s.link().Owe(topicOf(t, own), newImage(64, 128), 0, 64)
		go func() {
			for id := range uint16(30) {
				c.send(subscribePacket(c.version, id+1, "d/gw/down/#"), publishPacket(c.version, 1, id+1, "d/gw/up/msg", nil))
			}
		}()
		subacks, pubacks, chunks := 0, 0, 0
		for subacks+pubacks+chunks < 30+30+64 {
			switch p := c.next(); p.head {
			case headSuback:
				subacks++
				if code := p.body[len(p.body)-1]; code != 1 {
					t.Fatalf("SUBACK %#x, want 1", code)
				}
			case headPuback:
				pubacks++
			case headPublish:
				chunks++
			}
		}
		if subacks != 30 || pubacks != 30 || chunks != 64 {
			t.Errorf("%d SUBACK, %d PUBACK, %d chunks", subacks, pubacks, chunks)
		}
	})
}

// TestPacketsOfManyWritersStayWhole is about real sockets and vectored writes.
func TestPacketsOfManyWritersStayWhole(t *testing.T) {
	both(t, func(t *testing.T, version byte) {
		cloud := newCloud()
		_, addr := listening(t, Config{}, cloud)
		c := dial(t, addr, version).join("gw")
		s := <-cloud.came
		im := newImage(2048, 4096)
		s.link().Owe(topicOf(t, own), im, 0, 2048)
		s.link().Owe(topicOf(t, child), im, 0, 2048)
		var writers sync.WaitGroup
		defer writers.Wait()
		for w := range 4 {
			writers.Go(func() {
				for range 200 {
					if err := s.link().Send(topicOf(t, fmt.Sprintf("d/gw/down/cmd/%d", w)), make([]byte, 1000)); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		next := map[string]uint32{}
		for range 2*2048 + 4*200 {
			topic, payload := c.published()
			if topic == own || topic == child {
				chunk, err := wire.ParseChunk(payload)
				if err != nil || chunk.Index != next[topic] || len(chunk.Data) != 4096 {
					t.Fatalf("%s: chunk %d of %d bytes, want %d: %v", topic, chunk.Index, len(chunk.Data), next[topic], err)
				}
			}
			next[topic]++
		}
		if next[own] != 2048 || next[child] != 2048 {
			t.Errorf("got %v", next)
		}
	})
}
