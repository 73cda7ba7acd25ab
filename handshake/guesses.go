package handshake

import (
	"sync"
	"time"
)

// guesses limits failed proofs per key by the generic cell rate algorithm (ITU-T I.371):
// one timestamp per key says when its debt is paid off. It remembers at most max keys;
// beyond that the one with the least debt of a few looked at is forgotten, so that an
// attacker with many names frees the innocent first.
type guesses struct {
	every time.Duration
	burst time.Duration // the debt that is allowed
	max   int

	mu   sync.Mutex
	debt map[string]time.Time // key -> when the debt is paid off; guarded by mu
}

func newGuesses(burst int, every time.Duration, max int) *guesses {
	return &guesses{every: every, burst: time.Duration(burst) * every, max: max, debt: make(map[string]time.Time)}
}

// exhausted reports whether key may not even try now. The empty key never is.
func (g *guesses) exhausted(key string, now time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.debt[key].Sub(now) > g.burst-g.every
}

// failed records one failure of key.
func (g *guesses) failed(key string, now time.Time) {
	if key == "" {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	paid, known := g.debt[key]
	if !known && len(g.debt) >= g.max {
		g.forgetOne(now)
	}
	if paid.Before(now) {
		paid = now
	}
	g.debt[key] = paid.Add(g.every)
}

// looked is how many keys forgetOne compares: map iteration starts at random.
const looked = 8

func (g *guesses) forgetOne(now time.Time) {
	var least string
	var leastDebt time.Time
	n := 0
	for key, paid := range g.debt {
		if n == 0 || paid.Before(leastDebt) {
			least, leastDebt = key, paid
		}
		if n++; n == looked || !paid.After(now) {
			break
		}
	}
	delete(g.debt, least)
}
