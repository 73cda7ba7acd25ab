package broker

import (
	"container/list"
	"net"
	"sync"
	"time"

	"github.com/muster-iot/muster/limit"
)

// grace is how long a connection that is not admitted keeps its place for sure. It is short,
// because accepting waits that long when one network opens many connections at once.
const grace = 100 * time.Millisecond

// places bounds the connections that are not admitted yet: in all, and per network, so that
// no peer without a proof keeps others out. Where there is no place, the oldest connection
// that has sent nothing loses its own; if there is none, the oldest without a whole CONNECT.
// It is safe for concurrent use.
type places struct {
	most, share int // in all, and of one network

	mu    sync.Mutex
	held  *list.List     // of *place, oldest first; guarded by mu
	per   map[string]int // held by network; guarded by mu
	freed chan struct{}  // closed when a place is given back, nil while nobody waits for that; guarded by mu
}

// place is the place of one connection. Its fields are guarded by places.mu, except that its
// own goroutine may read address.
type place struct {
	conn    net.Conn // to close; nil while there is none yet
	address string   // of the peer, without port
	proxied bool     // address is that of a proxy, which has not named its client yet
	network string
	since   time.Time
	stage   stage
	element *list.Element // nil: given back or lost
}

// stage is how far a connection has come.
type stage int

const (
	silent stage = iota
	speaking
	claiming // its whole CONNECT has arrived
)

func newPlaces(most, share int) *places {
	return &places{most: most, share: share, held: list.New(), per: make(map[string]int)}
}

// verdict is what came of an attempt to take a place.
type verdict struct {
	taken   bool
	lost    place           // what had to go for it, for the caller to close; its conn is nil if nothing had to
	crowded bool            // the network has used up its share
	freed   <-chan struct{} // if not taken: closed at the next change
}

// take gives c a place, unless all are taken and none may be lost.
func (p *places) take(c *place) verdict {
	p.mu.Lock()
	defer p.mu.Unlock()
	network := c.net()
	v := p.free(network, p.held.Len() >= p.most)
	if v.taken {
		c.network, c.since = network, time.Now()
		c.element = p.held.PushBack(c)
		p.per[network]++
	}
	return v
}

// move counts c, which came from a proxy, for the network of its client at address from now
// on. Where that has no place left, c keeps the one it has.
func (p *places) move(c *place, address string) verdict {
	p.mu.Lock()
	defer p.mu.Unlock()
	c.address, c.proxied = address, false
	network := c.net()
	v := p.free(network, false)
	switch {
	case c.element == nil: // it has lost its place meanwhile, and is closed
		v.taken = true
	case v.taken:
		p.uncount(c.network)
		c.network = network
		p.per[network]++
	}
	return v
}

// proxies is the network of connections whose proxy has not named the client yet. Only the
// number in all bounds them: the header follows at once.
const proxies = "proxies"

func (c *place) net() string {
	if c.proxied {
		return proxies
	}
	return limit.Network(c.address)
}

// free makes room for one more of network, where that is needed and possible.
func (p *places) free(network string, full bool) (v verdict) {
	v.crowded = network != proxies && p.per[network] >= p.share
	v.taken = true
	if v.crowded || full {
		loser := p.loser(time.Now(), network, v.crowded)
		if v.taken = loser != nil; v.taken {
			v.lost = *loser
			p.remove(loser)
		}
	}
	if !v.taken {
		if p.freed == nil {
			p.freed = make(chan struct{})
		}
		v.freed = p.freed
	}
	return v
}

// loser is the connection to end for another; nil: none.
func (p *places) loser(now time.Time, network string, crowded bool) *place {
	var second *place
	for e := p.held.Front(); e != nil; e = e.Next() {
		c := e.Value.(*place)
		switch {
		case now.Sub(c.since) < grace:
			return second
		case crowded && c.network != network, c.conn == nil, c.stage == claiming:
		case c.stage == silent:
			return c
		case second == nil:
			second = c
		}
	}
	return second
}

// reach notes how far c's connection has come.
func (p *places) reach(c *place, s stage) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c.stage = max(c.stage, s)
}

// attach notes c's connection, once there is one.
func (p *places) attach(c *place, conn net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c.conn = conn
}

// leave gives c back, unless it is lost.
func (p *places) leave(c *place) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c.element != nil {
		p.remove(c)
		if p.freed != nil {
			close(p.freed)
			p.freed = nil
		}
	}
}

func (p *places) remove(c *place) {
	p.held.Remove(c.element)
	c.element = nil
	p.uncount(c.network)
}

func (p *places) uncount(network string) {
	if p.per[network]--; p.per[network] == 0 {
		delete(p.per, network)
	}
}

// room waits for and takes a place for conn. It closes conn and returns nil when the broker
// stops, or when conn's network has used up its share and no place of it gets free within the
// grace.
func (b *Broker) room(conn net.Conn) *place {
	from := address(conn.RemoteAddr())
	c := &place{conn: conn, address: from, proxied: b.cfg.ProxyFrom.Contains(from)}
	if !b.wait(func() verdict { return b.places.take(c) }) {
		b.crowdedOut(*c)
		return nil
	}
	return c
}

// wait repeats an attempt at a place until it succeeds, the broker stops, or the network has
// been crowded for the grace.
func (b *Broker) wait(attempt func() verdict) bool {
	patience := time.Now().Add(grace)
	for {
		v := attempt()
		if v.lost.conn != nil {
			b.crowdedOut(v.lost)
		}
		if v.taken {
			return true
		}
		if v.crowded && !time.Now().Before(patience) {
			return false
		}
		retry := time.NewTimer(grace / 4)
		select {
		case <-v.freed:
		case <-retry.C:
		case <-b.stopping:
			retry.Stop()
			return false
		}
		retry.Stop()
	}
}

// crowdedOut ends a connection that has no place.
func (b *Broker) crowdedOut(c place) {
	_ = c.conn.Close() // its reader, if any, ends with that
	if b.refusals.Allow() {
		b.log.Info("connection closed before CONNECT: too many that are not admitted", "address", c.address)
	}
}

// firstByte calls heard at the first byte from the peer. It runs below TLS.
type firstByte struct {
	net.Conn
	heard func() // nil: done
}

// Read implements net.Conn.
func (c *firstByte) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 && c.heard != nil {
		c.heard()
		c.heard = nil
	}
	return n, err
}
