// Package limit bounds how often something may happen per key, in bounded memory.
package limit

import (
	"sync"
	"time"
)

// Limiter allows a burst of events per key, then one per interval, by the generic cell
// rate algorithm (ITU-T I.371): one timestamp per key. It keeps a bounded number of
// keys. When a new key needs room, it forgets the one with the least debt of a few it
// samples, so that an attacker with many keys does not free the keys they have exhausted.
// It is safe for concurrent use.
type Limiter[K comparable] struct {
	every time.Duration
	burst time.Duration // the debt that is allowed
	max   int

	mu   sync.Mutex
	paid map[K]time.Time // when a key's debt is paid off; guarded by mu
}

// New returns a Limiter of burst events per key, then one per every, that remembers max
// keys.
func New[K comparable](burst int, every time.Duration, max int) *Limiter[K] {
	return &Limiter[K]{every: every, burst: time.Duration(burst) * every, max: max, paid: make(map[K]time.Time)}
}

// Wait returns how long it takes until key has an event left; 0: it has one.
func (l *Limiter[K]) Wait(key K) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.wait(key, time.Now())
}

// Used returns how many events of key are used up and have not come back.
func (l *Limiter[K]) Used(key K) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	debt := max(0, time.Until(l.paid[key]))
	return int((debt + l.every - 1) / l.every)
}

// Exhausted reports whether key has no event left at this moment.
func (l *Limiter[K]) Exhausted(key K) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.exhausted(key, time.Now())
}

// Charge uses up one event of key, even if none is left.
func (l *Limiter[K]) Charge(key K) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.charge(key, time.Now())
}

// Take uses up one event of key and reports whether one was left. If none was, nothing
// changes.
func (l *Limiter[K]) Take(key K) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if l.exhausted(key, now) {
		return false
	}
	l.charge(key, now)
	return true
}

// Reserve uses up one event of key, as soon as one is left: it returns how long to wait until
// then. If that is longer than longest, ok is false and nothing changes.
func (l *Limiter[K]) Reserve(key K, longest time.Duration) (wait time.Duration, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	wait = l.wait(key, now)
	if wait > longest {
		return wait, false
	}
	l.charge(key, now)
	return wait, true
}

// Refund gives one event back that was taken for key.
func (l *Limiter[K]) Refund(key K) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if paid, known := l.paid[key]; known {
		l.paid[key] = paid.Add(-l.every)
	}
}

// Keys returns how many keys are remembered.
func (l *Limiter[K]) Keys() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.paid)
}

func (l *Limiter[K]) exhausted(key K, now time.Time) bool { return l.wait(key, now) > 0 }

func (l *Limiter[K]) wait(key K, now time.Time) time.Duration {
	return max(0, l.paid[key].Add(l.every-l.burst).Sub(now))
}

func (l *Limiter[K]) charge(key K, now time.Time) {
	paid, known := l.paid[key]
	if !known && len(l.paid) >= l.max {
		l.forgetOne(now)
	}
	if paid.Before(now) {
		paid = now
	}
	l.paid[key] = paid.Add(l.every)
}

// sampled is the number of keys forgetOne compares: map iteration starts at random.
const sampled = 8

func (l *Limiter[K]) forgetOne(now time.Time) {
	var least K
	var leastPaid time.Time
	n := 0
	for key, paid := range l.paid {
		if n == 0 || paid.Before(leastPaid) {
			least, leastPaid = key, paid
		}
		if n++; n == sampled || !paid.After(now) {
			break
		}
	}
	delete(l.paid, least)
}
