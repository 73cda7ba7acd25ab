package cloud

import (
	"maps"
	"sync"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

// tallies counts what happened in each product since the server began.
type tallies struct {
	began    time.Time
	mu       sync.Mutex
	products map[fleet.ProductID]*fleet.Tally // guarded by mu
}

func newTallies() *tallies {
	return &tallies{began: time.Now(), products: make(map[fleet.ProductID]*fleet.Tally)}
}

// Tally is what was counted of a product; nobody's rights are asked. It never blocks.
func (t *tallies) Tally(product fleet.ProductID) fleet.Tally {
	t.mu.Lock()
	defer t.mu.Unlock()
	counted := fleet.Tally{Since: t.began}
	if known := t.products[product]; known != nil {
		counted = *known
		counted.Failures = maps.Clone(known.Failures)
	}
	return counted
}

func (t *tallies) handshake(product fleet.ProductID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.of(product).Handshakes++
}

func (t *tallies) ended(product fleet.ProductID, u fleet.Update) {
	if u.State != fleet.Failed && u.State != fleet.RolledBack {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	reason := u.Reason
	if !wire.KnownReason(reason) { // a device may say any number
		reason = wire.ReasonOther
	}
	t.of(product).Failures[reason]++
}

// of is product's tally; mu is held.
func (t *tallies) of(product fleet.ProductID) *fleet.Tally {
	known := t.products[product]
	if known == nil {
		known = &fleet.Tally{Since: t.began, Failures: make(map[fleet.ReasonCode]int)}
		t.products[product] = known
	}
	return known
}

// watch is what the console hears and counts.
type watch struct {
	*events
	*tallies
}
