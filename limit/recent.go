package limit

import (
	"sync"
	"time"
)

// Recent counts the events of each key in the last whole second. It forgets the keys without
// events, and is safe for concurrent use.
type Recent[K comparable] struct {
	mu        sync.Mutex
	second    int64     // of now; guarded by mu, as are the counts
	now, last map[K]int // events in this second and in the one before
}

// Count adds one event of key.
func (r *Recent[K]) Count(key K) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.turn()
	r.now[key]++
}

// PerSecond returns the events of key in the last whole second.
func (r *Recent[K]) PerSecond(key K) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.turn()
	return r.last[key]
}

func (r *Recent[K]) turn() {
	second := time.Now().Unix()
	if second == r.second && r.now != nil {
		return
	}
	r.last = nil
	if second == r.second+1 {
		r.last = r.now
	}
	r.second, r.now = second, make(map[K]int)
}
