package node

import (
	"context"
	"fmt"
	"maps"
	"strconv"
	"strings"

	"github.com/muster-iot/muster/steady"
	"github.com/muster-iot/muster/store/keys"
)

// Roles of nodes.
const (
	All       = "all"
	Devices   = "devices"   // it takes connections of devices and leads nothing
	Operators = "operators" // it takes none
)

// Peer is what a node reports of itself with each beat.
type Peer struct {
	ID      string
	Role    string
	Release string // of the program; "" if not reported
	// Draining: it is being stopped, and its devices are to connect to others.
	Draining bool
	// Takes is how many more connections of devices it can take in a second.
	Takes int

	format, oldest int // which formats of records it writes, and reads
}

// TakesDevices reports whether devices may connect to it, now.
func (p Peer) TakesDevices() bool { return p.Role != Operators && !p.Draining }

// Leads reports whether it serves operators, and may hold leases, now.
func (p Peer) Leads() bool { return p.Role != Devices && !p.Draining }

// takesUnsaid is assumed as Takes of a node that does not report it: an older release.
const takesUnsaid = 250

// text is the field of a node: its beats, its role, and words that older releases skip.
func (p Peer) text(beats uint64) string {
	words := []string{
		strconv.FormatUint(beats, 10), p.Role, "release=" + strings.Join(strings.Fields(p.Release), "-"),
		fmt.Sprintf("format=%d-%d", p.oldest, p.format), "takes=" + strconv.Itoa(p.Takes),
	}
	if p.Draining {
		words = append(words, "draining")
	}
	return strings.Join(words, " ")
}

func readPeer(id, text string) Peer {
	p := Peer{ID: id, Role: All, Takes: takesUnsaid, format: 1, oldest: 1}
	for i, word := range strings.Fields(text) {
		name, value, _ := strings.Cut(word, "=")
		switch {
		case i == 1:
			p.Role = word
		case name == "release":
			p.Release = value
		case name == "takes":
			p.Takes, _ = strconv.Atoi(value) // 0: it can't be read
		case name == "format":
			_, _ = fmt.Sscanf(value, "%d-%d", &p.oldest, &p.format)
		case word == "draining":
			p.Draining = true
		}
	}
	return p
}

// self is what this node reports of itself.
func (n *Nodes) self() Peer {
	p := Peer{Role: n.config.Role, Release: n.config.Release, Draining: n.draining.Load(), format: keys.Format, oldest: keys.OldestFormat}
	if takes := n.takes.Load(); takes != nil {
		p.Takes = (*takes)()
	}
	return p
}

// Offer sets how many connections this node can take in a second, as reported to others. takes must not block.
func (n *Nodes) Offer(takes func() int) {
	if n != nil {
		n.takes.Store(&takes)
	}
}

// Peers returns the other nodes that live, in no order.
func (n *Nodes) Peers() []Peer {
	if n == nil {
		return nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	var peers []Peer
	for _, p := range n.peers {
		if p.alive {
			peers = append(peers, p.Peer)
		}
	}
	return peers
}

// Drain has this node give up its leases and ask for none, and makes known, at once, that it takes no more
// devices.
func (n *Nodes) Drain() {
	if n == nil {
		return
	}
	n.draining.Store(true)
	select {
	case n.early <- struct{}{}:
	default:
	}
}

// StrangerError is the error about a node that lives and exchanges records in a way that this one can't.
type StrangerError struct{ Release, Formats string }

func (e *StrangerError) Error() string {
	return fmt.Sprintf("a server of release %s shares this store, and its records have another format (%s) than this release's (%d-%d): "+
		"stop all servers of that release first, or start a release that can run side by side with it (docs/operations.md, Upgrade)",
		e.Release, e.Formats, keys.OldestFormat, keys.Format)
}

// meet returns a *StrangerError if one of the nodes that live can't share the store with this one. It takes
// no time unless there is such a node: then until that beats, or is dead.
func (n *Nodes) meet(ctx context.Context) error {
	m, err := n.config.At(keys.Nodes)
	if err != nil {
		return err
	}
	var before map[string]string
	for range int(Silence / Every) {
		texts, err := m.HGetAll(ctx, keys.Nodes).Result()
		if err != nil {
			return err
		}
		maps.DeleteFunc(texts, func(id, text string) bool { return id == n.id || n.self().understands(readPeer(id, text)) })
		if len(texts) == 0 {
			return nil
		}
		for id, text := range texts {
			if was, seen := before[id]; seen && was != text {
				p := readPeer(id, text)
				return &StrangerError{Release: p.Release, Formats: fmt.Sprintf("%d-%d", p.oldest, p.format)}
			}
		}
		before = texts
		if !steady.Sleep(ctx, Every) {
			return ctx.Err()
		}
	}
	return nil
}

// understands reports whether each reads what the other writes.
func (p Peer) understands(other Peer) bool {
	return p.format >= other.oldest && other.format >= p.oldest
}
