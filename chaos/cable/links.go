// Package cable is connections that break: of devices to servers, and of servers to Redis.
package cable

import (
	"context"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
)

// Links are the devices' connections. While they are bad, each one is cut after a number of
// bytes, counted in both directions, so that every byte of the protocol is the last one
// sooner or later.
type Links struct {
	addresses []string // of servers, or of their balancer
	next      atomic.Uint32
	cut       atomic.Int64 // connections that were

	mu     sync.Mutex
	random *rand.Rand // guarded by mu, as all below
	budget int64      // a bad connection has up to so many bytes; 0: none is bad
	open   map[*link]bool
}

// NewLinks returns good links to these servers, or to their balancer. random draws how many bytes a bad
// one carries.
func NewLinks(random *rand.Rand, addresses ...string) *Links {
	return &Links{addresses: addresses, random: random, open: map[*link]bool{}}
}

// Dial is a simulator's or a reporter's way to the server, or to the servers in turn, past those that
// don't listen.
func (l *Links) Dial(ctx context.Context) (conn net.Conn, err error) {
	for range l.addresses {
		address := l.addresses[l.next.Add(1)%uint32(len(l.addresses))]
		if conn, err = (&net.Dialer{}).DialContext(ctx, "tcp", address); err == nil {
			break
		}
	}
	if err != nil {
		return nil, err
	}
	c := &link{Conn: conn, links: l}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open[c] = true
	l.limit(c)
	return c, nil
}

// limit gives a connection its budget; the caller holds mu.
func (l *Links) limit(c *link) {
	c.left.Store(0)
	if l.budget > 0 {
		c.left.Store(1 + l.random.Int64N(l.budget))
	}
}

// Spoil makes all links, those that are open too, as bad as budget says; 0 makes them good.
func (l *Links) Spoil(budget int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.budget = budget
	for c := range l.open {
		l.limit(c)
	}
}

// link is one connection.
type link struct {
	net.Conn
	links *Links
	left  atomic.Int64 // bytes until it is cut; 0: any number
}

// Read passes on what the budget allows.
func (c *link) Read(p []byte) (int, error) {
	p, last := c.spend(p)
	n, err := c.Conn.Read(p)
	return n, c.over(n, last, err)
}

// Write passes on what the budget allows.
func (c *link) Write(p []byte) (int, error) {
	some, last := c.spend(p)
	n, err := c.Conn.Write(some)
	if err = c.over(n, last, err); err == nil && n < len(p) {
		err = net.ErrClosed
	}
	return n, err
}

// spend shortens p to what is left.
func (c *link) spend(p []byte) (some []byte, last int64) {
	last = c.left.Load()
	if last > 0 && int64(len(p)) > last {
		p = p[:last]
	}
	return p, last
}

// over counts n bytes and cuts the connection with the last one: every other time without a
// word, as a reset, since closing is what software does and cables don't.
func (c *link) over(n int, had int64, err error) error {
	if had == 0 || err != nil {
		return err
	}
	if left := c.left.Add(int64(-n)); left > 0 {
		return nil
	}
	c.left.Store(1) // whoever comes later finds it closed
	if c.links.cut.Add(1)%2 == 0 {
		if tcp, ok := c.Conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
	}
	_ = c.Conn.Close()
	return nil
}

// Close closes the connection.
func (c *link) Close() error {
	c.links.mu.Lock()
	delete(c.links.open, c)
	c.links.mu.Unlock()
	return c.Conn.Close()
}
