package activity

import (
	"maps"
	"sync"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

// tallies counts what happened in each product, and in each group of one, since the server started.
// It is safe for concurrent use.
type tallies struct {
	began time.Time
	mu    sync.Mutex
	of    map[tallied]*fleet.Tally // guarded by mu
}

// tallied names what has a tally.
type tallied struct {
	product fleet.ProductID
	group   fleet.GroupID // 0: all devices of the product
}

func newTallies() *tallies {
	return &tallies{began: time.Now(), of: make(map[tallied]*fleet.Tally)}
}

// read returns the counts of a product, or of one of its groups.
func (t *tallies) read(product fleet.ProductID, group fleet.GroupID) fleet.Tally {
	t.mu.Lock()
	defer t.mu.Unlock()
	counted := fleet.Tally{Since: t.began}
	if known := t.of[tallied{product, group}]; known != nil {
		counted = *known
		counted.Failures = maps.Clone(known.Failures)
	}
	return counted
}

// handshake counts a handshake of d.
func (t *tallies) handshake(d *fleet.Device) {
	t.add(d, func(counted *fleet.Tally) { counted.Handshakes++ })
}

// ended counts an update of d that failed.
func (t *tallies) ended(d *fleet.Device, u fleet.Update) {
	if u.State != fleet.Failed && u.State != fleet.RolledBack {
		return
	}
	reason := u.Reason
	if !wire.KnownReason(reason) { // a device may send any number
		reason = wire.ReasonOther
	}
	t.add(d, func(counted *fleet.Tally) { counted.Failures[reason]++ })
}

// add counts something in d's product and in each of d's groups.
func (t *tallies) add(d *fleet.Device, count func(*fleet.Tally)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	count(t.counted(tallied{product: d.Product}))
	for _, g := range d.Groups {
		count(t.counted(tallied{d.Product, g}))
	}
}

// counted returns a tally; the caller holds t.mu.
func (t *tallies) counted(what tallied) *fleet.Tally {
	known := t.of[what]
	if known == nil {
		known = &fleet.Tally{Since: t.began, Failures: make(map[fleet.ReasonCode]int)}
		t.of[what] = known
	}
	return known
}
