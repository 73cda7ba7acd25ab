package node

import (
	"cmp"
	"context"
	"crypto/rand"
	_ "embed"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/muster-iot/muster/store/keys"
	"github.com/muster-iot/muster/store/pipeline"
)

const (
	// Every is the time between two beats.
	Every = time.Second
	// Silence is how long others have to see a counter standing still until its node is dead.
	Silence = 10 * time.Second
	// patience is how long a node writes without a beat of its own: it stops before others can take
	// it for dead.
	patience = 8 * time.Second
	// unknownBeats is how many beats after its own others may not have seen a new node yet: they
	// woke it for nothing.
	unknownBeats = 3
	// kept is how long a dead node stays in Redis.
	kept = time.Minute

	tripTimeout = 3 * time.Second
)

var (
	//go:embed replace.lua
	replaceSource string
	replaceScript = redis.NewScript(replaceSource)
)

// Config is what Nodes work with.
type Config struct {
	Role    string // what the node does: All, Devices or Operators
	Release string // of the program
	// At returns the master of a key.
	At  func(key string) (pipeline.Master, error)
	Log *slog.Logger

	// Changed is called when another node has begun, or has died or left. It must not block.
	Changed func(id string, alive bool)
}

// Nodes are the nodes of a store, as one of them sees them. It is safe for concurrent use. A nil one is
// that of a server that does not share its store: it has no id, and does all that must run once.
type Nodes struct {
	config Config
	id     string
	began  time.Time
	last   atomic.Pointer[last]
	beats  uint64 // owned by Run, and by Join before it

	doubted  atomic.Bool // wakes may have been lost, in all buckets
	suspect  atomic.Pointer[func()]
	wants    atomic.Pointer[func(map[string]string)]
	draining atomic.Bool
	takes    atomic.Pointer[func() int]
	early    chan struct{} // has one when Run should beat at once

	mu     sync.Mutex // never held while Redis is asked
	peers  map[string]*peer
	seen   time.Time       // when peers were last read
	wanted map[string]bool // leases: whether this node has them
}

// peer is another node.
type peer struct {
	Peer                // by its last beat
	beat  string        // its field, as Peer.text spells it
	still time.Duration // how long text was seen not to change
	alive bool
}

// New returns the nodes of a store, of which this process becomes one with Join.
func New(config Config) *Nodes {
	config.Role = cmp.Or(config.Role, All)
	n := &Nodes{
		config: config, id: strings.ToLower(rand.Text()[:12]), began: time.Now(),
		peers: map[string]*peer{}, wanted: map[string]bool{}, early: make(chan struct{}, 1),
	}
	n.last.Store(&last{})
	return n
}

// ID names this node; "" if the store is not shared.
func (n *Nodes) ID() string {
	if n == nil {
		return ""
	}
	return n.id
}

// Alive reports whether id is this node or one that lives, as far as this node has seen.
func (n *Nodes) Alive(id string) bool {
	if n == nil || id == "" {
		return false
	}
	if id == n.id {
		return true
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	p := n.peers[id]
	return p != nil && p.alive
}

// Dead reports whether id is another node that this one has seen dying. It is false for one that left and one whose
// first beat it has not seen yet.
func (n *Nodes) Dead(id string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	p := n.peers[id]
	return p != nil && !p.alive
}

// Master returns the master of a key that nodes share.
func (n *Nodes) Master(key string) (pipeline.Master, error) { return n.config.At(key) }

// Others returns the ids of the other nodes that live, in no order.
func (n *Nodes) Others() (others []string) {
	for _, p := range n.Peers() {
		others = append(others, p.ID)
	}
	return others
}

// Join makes this process a node: it returns once others can see it, and a *StrangerError if it can't
// share the store with one of them.
func (n *Nodes) Join(ctx context.Context) error {
	if err := n.meet(ctx); err != nil {
		return err
	}
	return n.beat(ctx)
}

// Run beats until ctx ends.
func (n *Nodes) Run(ctx context.Context) {
	tick := time.NewTicker(Every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-n.early:
		}
		if n.beats == unknownBeats {
			n.Doubt()
		}
		lapsed := n.Lapsed()
		if suspect := n.suspect.Load(); lapsed && suspect != nil {
			(*suspect)() // before it may write again
		}
		if err := n.beat(ctx); err != nil {
			if ctx.Err() == nil {
				n.config.Log.Debug("this node could not beat", "err", err)
			}
			continue
		}
		if lapsed {
			n.config.Log.Warn("this node is back: others may have taken it for dead, so it compares its sessions with the store")
			n.Doubt()
		}
	}
}

// Leave removes this node, with its leases. What it holds is up to others from then on.
func (n *Nodes) Leave(ctx context.Context) error {
	if n == nil {
		return nil
	}
	m, err := n.config.At(keys.Nodes)
	if err != nil {
		return err
	}
	for name := range n.held() {
		if err := n.replace(ctx, m, keys.Leases, name, n.id, ""); err != nil {
			return err
		}
	}
	return errors.Join(m.HDel(ctx, keys.Wants, n.id).Err(), m.HDel(ctx, keys.Nodes, n.id).Err())
}

// OnWants has look called after each beat with the hash keys.Wants. It must not block.
func (n *Nodes) OnWants(look func(map[string]string)) { n.wants.Store(&look) }

// beat raises this node's counter, looks at those of others, and takes the leases that are free.
func (n *Nodes) beat(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, tripTimeout)
	defer cancel()
	m, err := n.config.At(keys.Nodes)
	if err != nil {
		return err
	}
	began := time.Now()
	n.beats++
	pipe := m.Pipeline()
	pipe.HSet(ctx, keys.Nodes, n.id, n.self().text(n.beats))
	nodes, leases, wants := pipe.HGetAll(ctx, keys.Nodes), pipe.HGetAll(ctx, keys.Leases), pipe.HGetAll(ctx, keys.Wants)
	if err := pipeline.Exec(ctx, pipe); err != nil {
		return err
	}
	n.reached(began)
	gone := n.observe(began, nodes.Val())
	for id, text := range gone {
		_ = n.replace(ctx, m, keys.Nodes, id, text, "") // the next beat tries again
		_ = n.replace(ctx, m, keys.Wants, id, wants.Val()[id], "")
	}
	if look := n.wants.Load(); look != nil {
		(*look)(wants.Val())
	}
	return n.take(ctx, m, leases.Val())
}

// observe compares the counters with those seen before, and returns the nodes that have been dead for
// long. Only time in which this node could look counts: while Redis is away, no counter moves.
func (n *Nodes) observe(now time.Time, texts map[string]string) (gone map[string]string) {
	n.mu.Lock()
	passed := min(now.Sub(n.seen), 2*Every)
	n.seen = now
	var changed []peer
	gone = map[string]string{}
	for id, text := range texts {
		if id == n.id {
			continue
		}
		p := n.peers[id]
		if p == nil {
			p = &peer{}
			n.peers[id] = p
		}
		if p.beat != text {
			p.Peer, p.beat, p.still = readPeer(id, text), text, 0
		} else {
			p.still += passed
		}
		if alive := p.still < Silence; alive != p.alive {
			p.alive = alive
			changed = append(changed, *p)
		}
		if p.still > kept {
			gone[id] = text
		}
	}
	for id, p := range n.peers {
		if _, there := texts[id]; !there {
			delete(n.peers, id)
			if p.alive {
				p.alive = false
				changed = append(changed, *p)
			}
		}
	}
	n.mu.Unlock()
	for _, p := range changed {
		n.config.Log.Info("a node of this store has changed", "node", p.ID, "alive", p.alive, "role", p.Role, "release", p.Release)
		n.config.Changed(p.ID, p.alive)
	}
	return gone
}

// replace sets a field of a hash if it has the text was, "" for none; is "" removes it.
func (n *Nodes) replace(ctx context.Context, m pipeline.Master, key, field, was, is string) error {
	return replaceScript.Run(ctx, m, []string{key}, field, was, is).Err()
}
