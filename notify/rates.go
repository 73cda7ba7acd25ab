package notify

import (
	"maps"
	"sync"
	"time"

	"github.com/muster-iot/muster/fleet"
)

const (
	rateSlots = 12
	rateSlot  = 5 * time.Minute // the slots together are an hour
	maxRates  = 10_000          // products counted at a time
)

// rates counts updates that ended in the last hour, by product, and notices when too many of them
// failed. It starts from zero with the process. Of servers that share the store each counts those of all; only
// the one that leads has the teams' settings, and raises. It is safe for concurrent use.
type rates struct {
	mu       sync.Mutex
	settings map[fleet.TeamID]Settings  // guarded by mu
	products map[fleet.ProductID]*rate  // guarded by mu
	over     map[fleet.ProductID]excess // to be raised; guarded by mu
}

// rate is the counts of one product.
type rate struct {
	slots [rateSlots]struct {
		number        int64 // of the span of time since 1970
		ended, failed int
	}
	over bool // an alert was raised, and the share has not fallen to a half since
}

// excess is a share of failed updates above a team's limit.
type excess struct {
	team          fleet.TeamID
	ended, failed int
}

func newRates() *rates {
	return &rates{settings: map[fleet.TeamID]Settings{}, products: map[fleet.ProductID]*rate{}, over: map[fleet.ProductID]excess{}}
}

func (r *rates) set(team fleet.TeamID, s Settings) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.settings[team] = s
}

// ended counts an update and reports whether an alert is to be raised now, by a server that leads.
func (r *rates) ended(team fleet.TeamID, product fleet.ProductID, state fleet.UpdateState, now time.Time, leads bool) bool {
	failed := state == fleet.Failed || state == fleet.RolledBack
	if !failed && state != fleet.Confirmed {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.products[product]
	if p == nil {
		if len(r.products) >= maxRates {
			return false
		}
		p = new(rate)
		r.products[product] = p
	}
	slot := &p.slots[now.Unix()/int64(rateSlot.Seconds())%rateSlots]
	if number := now.Unix() / int64(rateSlot.Seconds()); slot.number != number {
		slot.number, slot.ended, slot.failed = number, 0, 0
	}
	slot.ended++
	if failed {
		slot.failed++
	}
	if !leads {
		p.over = false // it raises once it leads, if too many still fail: rather twice than never
		return false
	}
	e := p.sum(now)
	e.team = team
	limits, known := r.settings[team]
	if !known {
		limits = defaults
	}
	share := 100 * e.failed
	switch {
	case limits.Percent == 0 || e.ended < limits.Sample:
	case p.over && 2*share <= limits.Percent*e.ended:
		p.over = false
	case !p.over && share > limits.Percent*e.ended:
		p.over = true
		r.over[product] = e
		return true
	}
	return false
}

func (p *rate) sum(now time.Time) (e excess) {
	oldest := now.Unix()/int64(rateSlot.Seconds()) - rateSlots
	for _, slot := range p.slots {
		if slot.number > oldest {
			e.ended += slot.ended
			e.failed += slot.failed
		}
	}
	return e
}

// take returns what is to be raised, once.
func (r *rates) take() map[fleet.ProductID]excess {
	r.mu.Lock()
	defer r.mu.Unlock()
	over := maps.Clone(r.over)
	clear(r.over)
	return over
}
