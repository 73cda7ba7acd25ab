package cloud

import (
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/muster-iot/muster/fleet"
)

// How often a BLE device may move between gateways: a burst, then one per interval. One
// that wants to move more often is claimed by two gateways at once, which is worth an
// alert, but not one for each move.
const (
	moveBurst    = 10
	moveInterval = 30 * time.Second
	moveAlert    = time.Hour // between two alerts about one device
	maxMovers    = 10_000    // devices whose moves are remembered
)

// moves remembers what gateways did lately, to bound it. It is safe for concurrent use.
type moves struct {
	mu    sync.Mutex
	byID  map[fleet.DeviceID]*mover // guarded by mu
	added map[fleet.DeviceID]int    // devices each gateway has added; guarded by mu
}

type mover struct {
	limit *rate.Limiter
	told  time.Time // of the last alert
}

func newMoves() *moves {
	return &moves{byID: make(map[fleet.DeviceID]*mover), added: make(map[fleet.DeviceID]int)}
}

// take uses up one move of id. allowed says whether there was one, tell whether that it
// flaps is news.
func (m *moves) take(id fleet.DeviceID, now time.Time) (allowed, tell bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	one := m.byID[id]
	if one == nil {
		m.makeRoom(now)
		one = &mover{limit: rate.NewLimiter(rate.Every(moveInterval), moveBurst)}
		m.byID[id] = one
	}
	if one.limit.AllowN(now, 1) {
		return true, false
	}
	if tell = now.Sub(one.told) >= moveAlert; tell {
		one.told = now
	}
	return false, tell
}

// makeRoom forgets devices that have not moved lately, or else any one.
func (m *moves) makeRoom(now time.Time) {
	if len(m.byID) < maxMovers {
		return
	}
	for id, one := range m.byID {
		if one.limit.TokensAt(now) >= moveBurst && now.Sub(one.told) >= moveAlert {
			delete(m.byID, id)
		}
	}
	for id := range m.byID {
		if len(m.byID) < maxMovers {
			return
		}
		delete(m.byID, id)
	}
}

// register uses up one of the limit devices that gateway may add, of which it has attached
// some.
func (m *moves) register(gateway fleet.DeviceID, attached, limit int) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if attached >= limit || m.added[gateway] >= limit {
		return false
	}
	m.added[gateway]++
	return true
}
