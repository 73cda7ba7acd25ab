package edge

import (
	"cmp"
	"container/list"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"sync"

	"golang.org/x/time/rate"

	"github.com/muster-iot/muster/limit"
	"github.com/muster-iot/muster/proxy"
)

// connections bounds the open connections: in all, and per network. Where a network has used up
// its share, its oldest connection without a whole request has to go for a new one. Where all are
// taken, one of the network with the most has to. It is safe for concurrent use.
type connections struct {
	most, share int
	proxies     proxy.Networks // whose connections only the number in all bounds
	log         *slog.Logger
	refusals    *rate.Limiter

	mu   sync.Mutex
	open map[net.Conn]*list.Element // of *connection; guarded by mu
	all  *list.List                 // of *connection, the longest waiting first; guarded by mu
	per  map[string]int             // open, by network; guarded by mu
}

type connection struct {
	conn    net.Conn
	network string
	shared  bool // of a proxy
	waiting bool // for a request
	unread  bool // its request has not arrived whole, and its handler gave it no longer deadline
}

func newConnections(config Config) *connections {
	return &connections{
		most: config.MaxConnections, share: config.MaxPerAddress, proxies: config.Proxies, log: config.Log, refusals: newRefusals(),
		open: make(map[net.Conn]*list.Element), all: list.New(), per: make(map[string]int),
	}
}

// follow notes the state of conn. It is an http.Server's ConnState.
func (c *connections) follow(conn net.Conn, state http.ConnState) {
	var closed net.Conn
	c.mu.Lock()
	element := c.open[conn]
	switch {
	case state == http.StateNew:
		closed = c.add(conn)
	case element == nil: // it had to go
	case state == http.StateActive:
		o := element.Value.(*connection)
		o.waiting, o.unread = false, true
	case state == http.StateIdle:
		element.Value.(*connection).waiting = true
		c.all.MoveToBack(element)
	case state == http.StateHijacked, state == http.StateClosed:
		c.remove(element)
	}
	c.mu.Unlock()
	if closed != nil {
		c.close(closed)
	}
}

// add adds conn and returns the connection that has to go: another one, conn itself or none.
func (c *connections) add(conn net.Conn) (closed net.Conn) {
	from := conn.RemoteAddr().String()
	if host, _, err := net.SplitHostPort(from); err == nil {
		from = host
	}
	added := &connection{conn: conn, network: limit.Network(from), shared: c.proxies.Contains(from), waiting: true}
	crowded := !added.shared && c.per[added.network] >= c.share
	if crowded || c.all.Len() >= c.most {
		loser := c.loser(added.network, crowded)
		if loser == nil {
			return conn
		}
		closed = loser.Value.(*connection).conn
		c.remove(loser)
	}
	c.open[conn] = c.all.PushBack(added)
	c.per[added.network]++
	return closed
}

// loser is the connection that has to go for a new one of network; nil: the new one itself.
func (c *connections) loser(network string, crowded bool) *list.Element {
	if crowded {
		return c.oldestWithoutRequest(network)
	}
	victim := ""
	for e := c.all.Front(); e != nil; e = e.Next() {
		if o := e.Value.(*connection); !o.shared && c.per[o.network] > c.per[victim] {
			victim = o.network
		}
	}
	if loser := c.oldestWithoutRequest(victim); loser != nil {
		return loser
	}
	if loser := c.oldest(func(o *connection) bool { return o.waiting }); loser != nil {
		return loser
	}
	if c.per[victim] <= c.per[network]+1 {
		return nil
	}
	return c.oldest(func(o *connection) bool { return o.network == victim })
}

// oldestWithoutRequest is one of network that waits, or else one whose request has not arrived whole.
func (c *connections) oldestWithoutRequest(network string) *list.Element {
	return cmp.Or(
		c.oldest(func(o *connection) bool { return o.waiting && o.network == network }),
		c.oldest(func(o *connection) bool { return o.unread && o.network == network }))
}

// keep notes that the request of conn has arrived, or may take its time.
func (c *connections) keep(conn net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if element := c.open[conn]; element != nil {
		element.Value.(*connection).unread = false
	}
}

func (c *connections) oldest(matches func(*connection) bool) *list.Element {
	for e := c.all.Front(); e != nil; e = e.Next() {
		if matches(e.Value.(*connection)) {
			return e
		}
	}
	return nil
}

func (c *connections) remove(element *list.Element) {
	o := c.all.Remove(element).(*connection)
	delete(c.open, o.conn)
	if c.per[o.network]--; c.per[o.network] == 0 {
		delete(c.per, o.network)
	}
}

// close closes a connection that had to go. One with TLS gets no farewell, which could block.
func (c *connections) close(conn net.Conn) {
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn()
	}
	_ = conn.Close() // its reader ends with that
	if c.refusals.Allow() {
		c.log.Info("HTTP connection closed: too many are open", "address", conn.RemoteAddr().String())
	}
}

// tally counts what is in progress per key, up to a limit. It is safe for concurrent use.
type tally struct {
	most int

	mu sync.Mutex
	n  map[string]int // guarded by mu
}

func newTally(most int) *tally { return &tally{most: most, n: make(map[string]int)} }

func (t *tally) enter(key string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.n[key] >= t.most {
		return false
	}
	t.n[key]++
	return true
}

func (t *tally) leave(key string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.n[key]--; t.n[key] == 0 {
		delete(t.n, key)
	}
}
