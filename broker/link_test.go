//nolint:forbidigo // all sleeps are in synctest bubbles
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
	"github.com/muster-iot/muster/wire/mqtt"
)

func TestReaderAnswersWhileChunksWait(t *testing.T) {
	downloading(t, func(t *testing.T, c *client, s *session) {
		s.link().Chunks(topicOf(t, own)).Send(newImage(64, 1024), 0, 64)
		synctest.Wait() // the sender is in the middle of a write that nobody reads
		for id := range uint16(20) {
			c.send(publishPacket(c.version, 1, id+1, "d/gw/up/report", []byte("x"))) // blocks unless it is read
			<-s.cloud.heard
		}
		s.link().Chunks(topicOf(t, own)).Stop()
		acks := 0
		for acks < 20 {
			if p := c.next(); p.head == mqtt.PubAck.Head(0) {
				acks++
			}
		}
	})
}

func TestSlowReaderIsNotCutWhileBytesProgress(t *testing.T) {
	downloading(t, func(t *testing.T, c *client, s *session) {
		s.link().Chunks(topicOf(t, own)).Send(newImage(8, 4096), 0, 8)
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
		s.link().Chunks(topicOf(t, own)).Send(newImage(8, 4096), 0, 8)
		<-s.ended
		const patience = 30 * time.Second
		if took := time.Since(begun); took < patience || took > patience+patience/8 {
			t.Errorf("ended after %v, want %v or an eighth longer", took, patience)
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
		c := pipe(t, b, mqtt.V5)
		c.connect(hello{id: "d1", user: "d1", password: "proof", properties: []byte{39, 0, 0, 1, 0}}) // 256 bytes
		s := <-cloud.came
		if err := s.link().Send(topicOf(t, "d/d1/down/cmd/1"), make([]byte, 250)); !errors.Is(err, fleet.TooLarge) {
			t.Errorf("Send: %v, want TooLarge", err)
		}
		s.link().Chunks(topicOf(t, "d/d1/down/chunk")).Send(newImage(4, 512), 0, 4)
		synctest.Wait()
		go s.link().Send(topicOf(t, "d/d1/down/cmd/2"), make([]byte, 100))
		if topic, _ := c.published(); topic != "d/d1/down/cmd/2" {
			t.Errorf("got %s", topic)
		}
	})
}

func TestIdsOfDeviceAndSenderDoNotCollide(t *testing.T) {
	downloading(t, func(t *testing.T, c *client, s *session) {
		s.link().Chunks(topicOf(t, own)).Send(newImage(64, 128), 0, 64)
		go func() {
			for id := range uint16(30) {
				c.send(subscribePacket(c.version, id+1, "d/gw/down/#"), publishPacket(c.version, 1, id+1, "d/gw/up/msg", nil))
			}
		}()
		subacks, pubacks, chunks := 0, 0, 0
		for subacks+pubacks+chunks < 30+30+64 {
			switch p := c.next(); p.head {
			case mqtt.SubAck.Head(0):
				subacks++
				if code := p.body[len(p.body)-1]; code != 1 {
					t.Fatalf("SUBACK %#x, want 1", code)
				}
			case mqtt.PubAck.Head(0):
				pubacks++
			case mqtt.Publish.Head(0):
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
		s.link().Chunks(topicOf(t, own)).Send(im, 0, 2048)
		s.link().Chunks(topicOf(t, child)).Send(im, 0, 2048)
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
