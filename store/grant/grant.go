package grant

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/muster-iot/muster/steady"
	"github.com/muster-iot/muster/store/node"
)

const (
	// every is the time between two exchanges.
	every = time.Second
	// soonest is that between two of which the second one was asked for.
	soonest = 50 * time.Millisecond
	// valid is how long a grant may be used after the exchange that confirmed it began.
	valid = 8 * time.Second
	// turn is how long a node that wants more than the others is the first to get what can't be divided.
	turn = 10 // seconds
	// tries bounds how often one exchange begins again because others have changed theirs.
	tries = 20

	tripTimeout = time.Second
)

// Need is what this node needs of a limit.
type Need struct {
	Most  int64 // of all nodes together; 0: no limit, it is only counted
	Held  int64 // in use here
	Wants int64 // in use, or would be if there was enough
	Stays bool  // what is in use can't be cut
}

// Allowance is what this node may use of a limit, and what the others do.
type Allowance struct {
	Bound     int64 // in use here at most: more stays in use, but is not replaced when it ends
	Elsewhere int64 // in use at the other nodes, as of their last exchange
	Cut       bool  // what is above Bound ends now: others may have it
}

// Limits are some limits of the installation, as this node keeps them. They begin with a Bound of 0.
type Limits interface {
	// Share sets what this node may use of some limits, by name, and returns what it needs of all it
	// has anything to do with then. It must not block.
	Share(shares map[string]Allowance) map[string]Need
}

// Nodes are what Grants needs of them.
type Nodes interface {
	ID() string
	Lapsed() bool // this node may be dead to others
	Alive(id string) bool
	Dead(id string) bool // it had a beat once; what is neither has none yet, or left
}

// Grants are those of this node. They are safe for concurrent use; nil ones are those of a server that
// does not share its store.
type Grants struct {
	nodes  Nodes
	swap   swap
	limits []Limits
	log    *slog.Logger
	wanted chan struct{} // an exchange is asked for; has a place for one
	round  round         // of Run's goroutine

	mu      sync.Mutex    // never held while Redis is asked
	running bool          // guarded by mu, as are the fields below
	leaving bool          // this node gives everything back
	asked   chan struct{} // closed when an exchange has worked that has yet to begin
	serving chan struct{} // the same for one that began; nil: none waits
}

// New returns the grants of this node, which has none before Run; nil if nodes is.
func New(nodes *node.Nodes, log *slog.Logger, limits ...Limits) *Grants {
	if nodes == nil {
		return nil
	}
	return newGrants(nodes, log, inRedis(nodes), limits)
}

func newGrants(nodes Nodes, log *slog.Logger, swap swap, limits []Limits) *Grants {
	return &Grants{
		nodes: nodes, swap: swap, limits: limits, log: log, wanted: make(chan struct{}, 1), asked: make(chan struct{}),
		round: round{table: map[string]claims{}, unknown: map[string]time.Duration{}, bounds: map[string]int64{}},
	}
}

// Want has an exchange take place soon: something waits for a grant. It never blocks.
func (g *Grants) Want() {
	if g == nil {
		return
	}
	select {
	case g.wanted <- struct{}{}:
	default:
	}
}

// Ask waits until an exchange has worked that began after the call. It returns ctx's error if that ends
// before.
func (g *Grants) Ask(ctx context.Context) error {
	if g == nil {
		return nil
	}
	g.mu.Lock()
	asked := g.asked
	g.mu.Unlock()
	g.Want()
	select {
	case <-asked:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Leave gives everything back. Nothing may be in use any more.
func (g *Grants) Leave(ctx context.Context) error {
	if g == nil {
		return nil
	}
	g.mu.Lock()
	g.leaving = true
	running := g.running
	g.mu.Unlock()
	if !running {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, 2*tripTimeout)
	defer cancel()
	return g.Ask(ctx)
}

// Run exchanges until ctx ends.
func (g *Grants) Run(ctx context.Context) {
	if g == nil {
		return
	}
	g.mu.Lock()
	g.running = true
	g.mu.Unlock()
	tick := time.NewTicker(every)
	defer tick.Stop()
	failed := false
	for {
		g.lapse()
		began := time.Now()
		g.begin()
		err := g.exchange(ctx)
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			g.served()
		}
		if (err != nil) != failed {
			failed = err != nil
			g.log.Info("limits of the installation", "compared_with_others", !failed, "err", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-g.wanted:
			if !steady.Sleep(ctx, soonest-time.Since(began)) {
				return
			}
		}
	}
}

// begin takes over those who asked before now.
func (g *Grants) begin() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.serving == nil {
		g.serving, g.asked = g.asked, make(chan struct{})
	}
}

func (g *Grants) served() {
	g.mu.Lock()
	defer g.mu.Unlock()
	close(g.serving)
	g.serving = nil
}

func (g *Grants) left() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.leaving
}
