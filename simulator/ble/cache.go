package ble

import (
	"bytes"
	"sync"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
	"github.com/muster-iot/muster/wire/mqtt"
)

// cache is the images a gateway has fetched or fetches for its devices, kept in its flash.
// One image is fetched at a time.
type cache struct {
	mu     sync.Mutex
	own    fleet.Image                  // what the gateway itself downloads; zero: nothing; guarded by mu
	trunk  *trunk                       // the connection, or the last one; guarded by mu
	images map[fleet.Image]*cachedImage // guarded by mu
	line   []*cachedImage               // incomplete ones; the first is being fetched; guarded by mu
	timer  *time.Timer                  // repeats a Want that was not answered; guarded by mu
}

// cachedImage is guarded by its cache's mu.
type cachedImage struct {
	image  fleet.Image
	size   uint32   // bytes per chunk
	chunks [][]byte // encoded; nil where it did not come yet
	next   uint32   // all below it have come
	asked  uint32   // all below it were asked for
	wants  map[*air]*span
}

// span is what a device still waits for.
type span struct{ next, end uint32 }

// connected continues over a new connection.
func (c *cache) connected(t *trunk) {
	c.mu.Lock()
	c.trunk = t
	for _, i := range c.images {
		i.asked = i.next // nothing is under way
		clear(i.wants)   // their devices ask again
	}
	c.mu.Unlock()
}

// owns implements Gateway.Downloads: a connection has one range under way (docs/gateways.md).
func (c *cache) owns(image fleet.Image) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.own == image {
		return
	}
	c.own = image
	c.again()
}

// fetch starts or continues fetching an offered image.
func (c *cache) fetch(o wire.Offer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := c.images[o.Image()]
	if i == nil {
		if c.images == nil {
			c.images = make(map[fleet.Image]*cachedImage)
		}
		i = &cachedImage{image: o.Image(), size: o.Chunk, chunks: make([][]byte, o.Count), wants: make(map[*air]*span)}
		c.images[o.Image()] = i
		c.line = append(c.line, i)
	}
	c.goOn()
}

// goOn asks for more of the first image in line, unless some of it is under way: several
// devices are offered an image at once. The caller holds mu.
func (c *cache) goOn() {
	if len(c.line) > 0 && c.line[0].asked <= c.line[0].next {
		c.ask(c.line[0], c.line[0].next)
	}
}

// again asks again for what was under way and is lost, if a device waits for it. The caller
// holds mu.
func (c *cache) again() {
	if len(c.line) == 0 {
		return
	}
	i := c.line[0]
	i.asked = i.next
	if len(i.wants) > 0 {
		c.goOn()
	}
}

// ask asks for the chunks of i from first on, unless the gateway downloads something itself.
// The caller holds mu.
func (c *cache) ask(i *cachedImage, first uint32) {
	count := min(wire.DefaultWindow*2, uint32(len(i.chunks))-first)
	if count == 0 || c.own != (fleet.Image{}) {
		return
	}
	i.asked = first + count
	w := wire.Want{Image: i.image, First: first, Count: count, Chunk: i.size}
	topic := wire.Topic{Speaker: c.trunk.gateway.id, Kind: wire.TopicWant}.String()
	_, _ = c.trunk.publishFor(nil, topic, 0, w.Encode()) // its reader notices a lost connection
	if c.timer == nil {
		c.timer = time.AfterFunc(wire.ChunkTimeout, c.silence)
	}
	c.timer.Reset(wire.ChunkTimeout)
}

// silence is called when nothing came for a Want.
func (c *cache) silence() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.again()
}

// take keeps a chunk of an image that is being fetched. It returns false for chunks of
// others, and of the image that the gateway downloads itself.
func (c *cache) take(payload []byte) bool {
	chunk, err := wire.ParseChunk(payload)
	if err != nil {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	i := c.images[chunk.Image]
	if i == nil || chunk.Index >= uint32(len(i.chunks)) {
		return false
	}
	if i.chunks[chunk.Index] == nil {
		i.chunks[chunk.Index] = bytes.Clone(payload)
	}
	for i.next < uint32(len(i.chunks)) && i.chunks[i.next] != nil {
		i.next++
	}
	switch {
	case len(c.line) == 0 || c.line[0] != i:
	case i.next == uint32(len(i.chunks)):
		c.line = c.line[1:]
		c.goOn()
	case i.asked-min(i.next, i.asked) <= wire.DefaultWindow:
		c.ask(i, i.asked)
	}
	for a, s := range i.wants {
		c.serve(i, a, s)
	}
	return i.image != c.own
}

// want delivers chunks of a cached image to a device as they come in. It returns false when
// the image is not in the cache.
func (c *cache) want(a *air, w wire.Want) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := c.images[w.Image]
	if i == nil || w.Chunk != 0 && w.Chunk != i.size {
		return false
	}
	end := min(w.First+w.Count, uint32(len(i.chunks)))
	s := i.wants[a]
	if s == nil || s.end != w.First { // else it continues what is under way
		s = &span{next: w.First}
		i.wants[a] = s
	}
	s.end = end
	c.serve(i, a, s)
	c.goOn()
	return true
}

func (c *cache) serve(i *cachedImage, a *air, s *span) {
	topic := []byte(wire.Topic{Speaker: c.trunk.gateway.id, Child: a.child, Kind: wire.TopicChunk}.String())
	for s.next < s.end && i.chunks[s.next] != nil {
		a.deliver(mqtt.Packet{Kind: mqtt.Publish, Topic: topic, Payload: i.chunks[s.next]}, true)
		s.next++
	}
}

// leave drops what a device out of reach waits for.
func (c *cache) leave(a *air) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, i := range c.images {
		delete(i.wants, a)
	}
}
