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
// that has said nothing loses its own; if there is none, the oldest without a whole CONNECT.
// It is safe for concurrent use.
type places struct {
	most, share int // in all, and of one network

	mu    sync.Mutex
	held  *list.List     // of *place, oldest first; guarded by mu
	per   map[string]int // held by network; guarded by mu
	freed chan struct{}  // closed and replaced when a place is given back; guarded by mu
}

// place is the place of one connection. Its fields are guarded by places.mu.
type place struct {
	conn    net.Conn // to close; nil while there is none yet
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
	return &places{most: most, share: share, held: list.New(), per: make(map[string]int), freed: make(chan struct{})}
}

// take returns a place for a connection from address, and the connection that lost it, if
// any, for the caller to close. It returns no place when all are taken and none may be lost;
// crowded reports whether that is so for address only, and freed is closed at the next change.
func (p *places) take(conn net.Conn, address string) (taken *place, lost net.Conn, crowded bool, freed <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now, network := time.Now(), limit.Network(address)
	crowded = p.per[network] >= p.share
	if crowded || p.held.Len() >= p.most {
		loser := p.loser(now, network, crowded)
		if loser == nil {
			return nil, nil, crowded, p.freed
		}
		lost = loser.conn
		p.remove(loser)
	}
	taken = &place{conn: conn, network: network, since: now}
	taken.element = p.held.PushBack(taken)
	p.per[network]++
	return taken, lost, crowded, p.freed
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
		close(p.freed)
		p.freed = make(chan struct{})
	}
}

func (p *places) remove(c *place) {
	p.held.Remove(c.element)
	c.element = nil
	if p.per[c.network]--; p.per[c.network] == 0 {
		delete(p.per, c.network)
	}
}

// room waits for and takes a place for conn. It returns nil when the broker stops, or when
// conn's network has used up its share and no place of it gets free within the grace.
func (b *Broker) room(conn net.Conn) *place {
	from := address(conn.RemoteAddr())
	patience := time.Now().Add(grace)
	for {
		p, lost, crowded, freed := b.places.take(conn, from)
		if lost != nil {
			b.crowdedOut(lost)
		}
		if p != nil {
			return p
		}
		if crowded && !time.Now().Before(patience) {
			b.crowdedOut(conn)
			return nil
		}
		retry := time.NewTimer(grace / 4)
		select {
		case <-freed:
		case <-retry.C:
		case <-b.stopping:
			retry.Stop()
			_ = conn.Close()
			return nil
		}
		retry.Stop()
	}
}

// crowdedOut ends a connection that has no place.
func (b *Broker) crowdedOut(conn net.Conn) {
	_ = conn.Close() // its reader, if any, ends with that
	if b.refusals.Allow() {
		b.log.Info("connection closed before CONNECT: too many that are not admitted", "address", address(conn.RemoteAddr()))
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
