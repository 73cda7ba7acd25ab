package registry

import (
	"sync"
	"time"
)

// maxKeys bounds what a limiter remembers; beyond, any key is forgotten.
const maxKeys = 10_000

// limiter counts failed proofs per key: a burst of them, then one per interval.
type limiter struct {
	mu   sync.Mutex
	full map[string]time.Time // when the key's bucket is full again; guarded by mu
}

func newLimiter() *limiter { return &limiter{full: make(map[string]time.Time)} }

// take uses up one try of key and reports whether there was one.
func (l *limiter) take(key string, burst int, interval time.Duration) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	full := l.full[key]
	if full.Before(now) {
		full = now
	}
	if full.Add(interval).Sub(now) > time.Duration(burst)*interval {
		return false
	}
	if _, known := l.full[key]; !known && len(l.full) >= maxKeys {
		l.forget(now)
	}
	l.full[key] = full.Add(interval)
	return true
}

// giveBack returns the try of a proof that was right.
func (l *limiter) giveBack(key string, interval time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if full, ok := l.full[key]; ok {
		l.full[key] = full.Add(-interval)
	}
}

// forget makes room: keys whose bucket is full again, or else any one.
func (l *limiter) forget(now time.Time) {
	for key, full := range l.full {
		if full.Before(now) {
			delete(l.full, key)
		}
	}
	for key := range l.full {
		if len(l.full) < maxKeys {
			return
		}
		delete(l.full, key)
	}
}
