//nolint:forbidigo // all sleeps are in synctest bubbles
package ble

import (
	"bytes"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

// wants is a connection that keeps the Wants published on it.
type wants struct {
	Conn
	t *testing.T

	mu   sync.Mutex
	said []wire.Want // guarded by mu
}

func (w *wants) Publish(topic string, _ byte, payload []byte) (uint16, error) {
	want, err := wire.DecodeWant(payload)
	if err != nil || topic != "d/gw/up/want" {
		w.t.Errorf("published %x on %s: %v", payload, topic, err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.said = append(w.said, want)
	return 0, nil
}

// next returns the ranges that were asked for since the last call.
func (w *wants) next() (ranges [][2]uint32) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, one := range w.said {
		ranges = append(ranges, [2]uint32{one.First, one.Count})
	}
	w.said = nil
	return ranges
}

func (w *wants) expect(ranges ...[2]uint32) {
	w.t.Helper()
	if got := w.next(); !slices.Equal(got, ranges) {
		w.t.Errorf("asked for %v, want %v", got, ranges)
	}
}

// caching is a gateway's cache over a connection that keeps its Wants; offer is of an image
// of 40 chunks.
func caching(t *testing.T, test func(c *cache, w *wants, offer wire.Offer)) {
	synctest.Test(t, func(t *testing.T) {
		g, w := NewGateway("gw", &Radio{Caches: true}), &wants{t: t}
		g.cache.connected(&trunk{Conn: w, gateway: g, acks: map[uint16]*air{}})
		offer := wire.Offer{Digest: fleet.Digest{1}, Size: 40 * wire.MinChunk, Chunk: wire.MinChunk, Count: 40, Cached: true}
		test(&g.cache, w, offer)
		g.cache.timer.Stop()
	})
}

// waits lets a device wait for the offered image's chunks from first on.
func (c *cache) waits(o wire.Offer, first uint32) {
	c.want(newAir(c.trunk, "ble"), wire.Want{Image: o.Image(), First: first, Count: o.Count - first})
}

// comes lets chunks of the offered image come.
func (c *cache) comes(t *testing.T, o wire.Offer, first, count uint32) {
	t.Helper()
	for n := range count {
		p := wire.AppendChunk(nil, wire.Chunk{Image: o.Image(), Index: first + n, Data: bytes.Repeat([]byte{1}, int(o.Chunk))})
		if !c.take(p) {
			t.Errorf("chunk %d is not the cache's", first+n)
		}
	}
}

func TestImageOfferedToSeveralDevicesIsAskedForOnce(t *testing.T) {
	caching(t, func(c *cache, w *wants, o wire.Offer) {
		for range 4 {
			c.fetch(o)
		}
		w.expect([2]uint32{0, 16})
		c.comes(t, o, 0, 8)
		w.expect([2]uint32{16, 16})
		c.fetch(o)
		w.expect()
	})
}

func TestGatewaysOwnUpdateComesFirst(t *testing.T) {
	caching(t, func(c *cache, w *wants, o wire.Offer) {
		c.fetch(o)
		c.waits(o, 16)
		w.expect([2]uint32{0, 16})
		c.comes(t, o, 0, 3)
		c.owns(fleet.Image{7})
		c.comes(t, o, 3, 13) // of what was under way
		c.fetch(o)
		time.Sleep(2 * wire.ChunkTimeout)
		w.expect()
		c.owns(fleet.Image{}) // it ended, however that was
		w.expect([2]uint32{16, 16})
	})
}

func TestCacheRepeatsAWantForThoseWhoWait(t *testing.T) {
	caching(t, func(c *cache, w *wants, o wire.Offer) {
		c.fetch(o)
		c.comes(t, o, 0, 5)
		w.expect([2]uint32{0, 16})
		time.Sleep(2 * wire.ChunkTimeout)
		w.expect() // nobody waits
		c.waits(o, 0)
		w.expect([2]uint32{5, 16})
		time.Sleep(wire.ChunkTimeout + time.Second)
		w.expect([2]uint32{5, 16})
	})
}

func TestCacheAsksAgainOverANewConnection(t *testing.T) {
	caching(t, func(c *cache, w *wants, o wire.Offer) {
		c.fetch(o)
		c.comes(t, o, 0, 3)
		w.expect([2]uint32{0, 16})
		c.connected(c.trunk)
		w.expect()
		c.fetch(o)
		w.expect([2]uint32{3, 16})
	})
}
