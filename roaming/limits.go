package roaming

import (
	"sync"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/limit"
)

// Bounds on how often a BLE device may move between gateways: a burst, then once per
// interval (docs/gateways.md).
const (
	moveBurst     = 10
	moveInterval  = 30 * time.Second
	alertInterval = time.Hour // between two alerts about the same device
	maxMovers     = 10_000    // devices whose moves are remembered

	recordBurst    = 200 // audit entries of one gateway, then one per
	recordInterval = 30 * time.Second
)

// limits bound what gateways change. They are safe for concurrent use.
type limits struct {
	moves   *limit.Limiter[fleet.DeviceID] // by the BLE device
	alerts  *limit.Limiter[fleet.DeviceID] // by the BLE device
	entries *limit.Limiter[fleet.DeviceID] // audit entries, by the gateway

	mu         sync.Mutex
	registered map[fleet.DeviceID]int // devices that each gateway has registered; guarded by mu
	unrecorded map[fleet.DeviceID]int // changes by each gateway that have no audit entry; guarded by mu
}

func newLimits() *limits {
	return &limits{
		moves:      limit.New[fleet.DeviceID](moveBurst, moveInterval, maxMovers),
		alerts:     limit.New[fleet.DeviceID](1, alertInterval, maxMovers),
		entries:    limit.New[fleet.DeviceID](recordBurst, recordInterval, maxMovers),
		registered: make(map[fleet.DeviceID]int),
		unrecorded: make(map[fleet.DeviceID]int),
	}
}

// register counts a device that gateway registers. It reports false if the gateway has most
// devices attached, or has registered most since the server started.
func (r *limits) register(gateway fleet.DeviceID, attached, most int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if attached >= most || r.registered[gateway] >= most {
		return false
	}
	r.registered[gateway]++
	return true
}

// record reports whether a change by gateway gets an entry in the audit log, and how many
// before it got none.
func (r *limits) record(gateway fleet.DeviceID) (unrecorded int, ok bool) {
	ok = r.entries.Take(gateway)
	r.mu.Lock()
	defer r.mu.Unlock()
	if !ok {
		r.unrecorded[gateway]++
		return 0, false
	}
	unrecorded = r.unrecorded[gateway]
	delete(r.unrecorded, gateway)
	return unrecorded, true
}
