package grant

import (
	"context"
	"crypto/rand"
	"errors"
	"maps"
	"time"

	"github.com/muster-iot/muster/store/node"
)

var errBusy = errors.New("other servers change their grants all the time")

// round is what one exchange leaves to the next.
type round struct {
	version   string
	table     map[string]claims // of all nodes, at version
	seconds   int64             // the time, by Redis
	bounds    map[string]int64  // in force here
	confirmed time.Time         // when the last exchange began that worked
	lapsed    bool

	looked  time.Time                // when table was last compared with the beats
	unknown map[string]time.Duration // nodes of table without a beat: for how long
}

// lapse gives up everything if others may have taken this node for dead.
func (g *Grants) lapse() {
	r := &g.round
	if r.lapsed || r.confirmed.IsZero() || !g.nodes.Lapsed() && time.Since(r.confirmed) < valid {
		return
	}
	r.lapsed = true
	shares := map[string]Allowance{}
	for name := range r.bounds {
		r.bounds[name] = 0
		shares[name] = Allowance{Cut: true, Elsewhere: g.elsewhere(name)}
	}
	g.share(shares)
}

// exchange lowers what this node may use to its share, publishes that, and takes more if the others
// have left any. What others want it gives up when it first reads that, and not only at the next exchange:
// they may not want it any more by then.
func (g *Grants) exchange(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, tripTimeout)
	defer cancel()
	r, began := &g.round, time.Now()
	gone := g.gone(began)
	for range tries {
		mine, shares := g.decide(g.lower())
		reply, err := g.swap(ctx, r.version, rand.Text(), g.nodes.ID(), mine.encode(), gone)
		if err != nil {
			return err
		}
		r.version, r.seconds = reply.version, reply.seconds
		if reply.all == nil {
			r.table[g.nodes.ID()] = mine
			if g.nodes.Lapsed() { // others may not have counted this node
				return nil
			}
			r.confirmed, r.lapsed = began, false
			clear(r.bounds)
			for name, s := range shares {
				r.bounds[name] = s.Bound
			}
			g.share(shares)
			return nil
		}
		r.table = make(map[string]claims, len(reply.all))
		for id, text := range reply.all {
			r.table[id] = decode(text)
		}
		maps.DeleteFunc(r.unknown, func(id string, _ time.Duration) bool { return r.table[id] == nil })
		gone = g.gone(began)
	}
	return errBusy
}

// gone removes the nodes from the table that are dead, or have had no beat for as long, and returns them.
func (g *Grants) gone(now time.Time) (gone []string) {
	r := &g.round
	passed := min(now.Sub(r.looked), 2*every)
	r.looked = now
	for id := range r.table {
		switch {
		case g.nodes.Alive(id):
			delete(r.unknown, id)
		case g.nodes.Dead(id), r.unknown[id] > node.Silence:
			gone = append(gone, id)
		default:
			r.unknown[id] += passed
		}
	}
	for _, id := range gone {
		delete(r.table, id)
	}
	return gone
}

// lower sets the bounds that are above this node's shares to these, and returns what it needs after
// that.
func (g *Grants) lower() map[string]Need {
	needs, shares := g.share(nil), map[string]Allowance{}
	for name, n := range needs {
		if target := g.target(name, n); target < g.round.bounds[name] {
			g.round.bounds[name] = target
			shares[name] = Allowance{Bound: target, Elsewhere: g.elsewhere(name)}
		}
	}
	if len(shares) > 0 {
		needs = g.share(shares)
	}
	maps.DeleteFunc(g.round.bounds, func(name string, _ int64) bool { // nothing uses it: Limits may have forgotten it, too
		_, needed := needs[name]
		return !needed
	})
	return needs
}

// decide returns what this node is to have.
func (g *Grants) decide(needs map[string]Need) (claims, map[string]Allowance) {
	mine, shares := claims{}, map[string]Allowance{}
	if g.left() {
		return mine, shares
	}
	for name, n := range needs {
		c, s := claim{need: need{n.Wants, n.Held}}, Allowance{Elsewhere: g.elsewhere(name)}
		if n.Most > 0 {
			free := max(n.Most-g.granted(name), 0)
			c.grant = max(g.round.bounds[name], n.Held, min(g.target(name, n), free))
			if c.grant > free { // Redis lost what this node had, or others took it for dead
				if c.grant, s.Cut = free, !n.Stays; n.Stays {
					c.grant = max(free, n.Held)
				}
			}
			s.Bound = c.grant
		}
		mine[name], shares[name] = c, s
	}
	return mine, shares
}

func (g *Grants) target(name string, n Need) int64 {
	wishes := []wish{{g.nodes.ID(), n.Wants}}
	for id, c := range g.round.table {
		if of, has := c[name]; has && id != g.nodes.ID() {
			wishes = append(wishes, wish{id, of.wants})
		}
	}
	return shareOf(g.nodes.ID(), n.Most, wishes, g.round.seconds/turn)
}

// granted is what the other nodes have of a limit.
func (g *Grants) granted(name string) (n int64) {
	for id, c := range g.round.table {
		if id != g.nodes.ID() {
			n += c[name].grant
		}
	}
	return n
}

// elsewhere is what the other nodes use of a limit.
func (g *Grants) elsewhere(name string) (n int64) {
	for id, c := range g.round.table {
		if id != g.nodes.ID() {
			n += c[name].held
		}
	}
	return n
}

// share passes shares on, and returns what all limits need.
func (g *Grants) share(shares map[string]Allowance) map[string]Need {
	all := map[string]Need{}
	for _, l := range g.limits {
		for name, n := range l.Share(shares) {
			all[name] = n
		}
	}
	return all
}
