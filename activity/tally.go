package activity

import (
	"maps"
	"sync"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

// tallies counts what happened in each product since the server started. It is safe for
// concurrent use.
type tallies struct {
	began    time.Time
	mu       sync.Mutex
	products map[fleet.ProductID]*fleet.Tally // guarded by mu
}

func newTallies() *tallies {
	return &tallies{began: time.Now(), products: make(map[fleet.ProductID]*fleet.Tally)}
}

// of returns the counts of a product.
func (t *tallies) of(product fleet.ProductID) fleet.Tally {
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
	t.counted(product).Handshakes++
}

func (t *tallies) ended(product fleet.ProductID, u fleet.Update) {
	if u.State != fleet.Failed && u.State != fleet.RolledBack {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	reason := u.Reason
	if !wire.KnownReason(reason) { // a device may send any number
		reason = wire.ReasonOther
	}
	t.counted(product).Failures[reason]++
}

// counted returns product's tally; the caller holds t.mu.
func (t *tallies) counted(product fleet.ProductID) *fleet.Tally {
	known := t.products[product]
	if known == nil {
		known = &fleet.Tally{Since: t.began, Failures: make(map[fleet.ReasonCode]int)}
		t.products[product] = known
	}
	return known
}
