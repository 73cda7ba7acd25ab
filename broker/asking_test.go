package broker

import (
	"testing"
	"time"
)

// asking is a device on TCP, in MQTT 5 and 3.1.1, for which send queues chunks whenever it publishes a
// Want.
func asking(t *testing.T, send func(l *Link), test func(t *testing.T, c *client, cloud *cloud)) {
	both(t, func(t *testing.T, version byte) {
		cloud := newCloud()
		cloud.receive = func(s *session, n note) error {
			if n.topic.String() == asked {
				send(s.link())
			}
			return nil
		}
		_, addr := listening(t, Config{}, cloud)
		test(t, dial(t, addr, version).join("gw"), cloud)
	})
}

const asked = "d/gw/up/want"

func (c *client) ask() { c.send(publishPacket(c.version, 0, 0, asked, []byte("x"))) }

// hears expects n messages, which the device has sent, to reach the cloud.
func (c *cloud) hears(t *testing.T, n int) {
	t.Helper()
	late := time.After(20 * time.Second)
	for i := range n {
		select {
		case <-c.heard:
		case <-late:
			t.Fatalf("%d of %d messages came through: the reader waits for the device", i, n)
		}
	}
}

func TestAskedChunksComeInOrder(t *testing.T) {
	const each, rounds = 8, 40
	im, next := newImage(each*rounds, 16<<10), uint32(0)
	asking(t, func(l *Link) {
		l.Chunks(topicOf(t, own)).Send(im, next%(each*rounds), each)
		next += each
	}, func(t *testing.T, c *client, _ *cloud) {
		for round := range uint32(rounds) {
			c.ask()
			for i := range uint32(each) {
				c.expectChunk(own, round*each+i)
			}
		}
		c.ping()
	})
}

// TestReaderNeverWaitsForTheDeviceToRead is the dead-lock of two ends that write and do
// not read.
func TestReaderNeverWaitsForTheDeviceToRead(t *testing.T) {
	const each, asks = 2, 100 // 12 MB: more than both sockets hold
	im := newImage(each*asks, 60<<10)
	next := uint32(0)
	asking(t, func(l *Link) {
		l.Chunks(topicOf(t, own)).Send(im, next%(each*asks), each)
		next += each
	}, func(t *testing.T, c *client, cloud *cloud) {
		for range asks {
			c.ask()
			c.send(publishPacket(c.version, 0, 0, "d/gw/up/msg", make([]byte, 1000)))
			cloud.hears(t, 2)
		}
		for i := range uint32(each * asks) {
			c.expectChunk(own, i)
		}
		c.ping()
	})
}

func TestReaderNeverWaitsForChunks(t *testing.T) {
	im := newImage(3, 128)
	asking(t, func(l *Link) { l.Chunks(topicOf(t, own)).Send(im, 0, 3) }, func(t *testing.T, c *client, cloud *cloud) {
		open := im.shut()
		c.ask()
		cloud.hears(t, 1)
		c.ping()
		open()
		for i := range uint32(3) {
			c.expectChunk(own, i)
		}
	})
}

func TestChunksOfSeveralDevicesAreAllSent(t *testing.T) {
	im := newImage(20, 1<<10)
	asking(t, func(l *Link) {
		l.Chunks(topicOf(t, own)).Send(im, 0, 20)
		l.Chunks(topicOf(t, child)).Send(im, 0, 20)
	}, func(t *testing.T, c *client, _ *cloud) {
		for range 5 {
			c.ask()
			got := map[string]int{}
			for range 40 {
				topic, _ := c.published()
				got[topic]++
			}
			if got[own] != 20 || got[child] != 20 {
				t.Fatalf("got %v, want 20 of each", got)
			}
			c.ping()
		}
	})
}
