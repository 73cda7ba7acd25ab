package accounts

import (
	"bytes"
	"context"
	"crypto/rand"
	"slices"
	"sync"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/limit"
)

// line is the queue of passwords that strangers offer (docs/adr/0025). It bounds how many are
// verified at the same time and how fast, and refuses nobody for what others did: an attempt
// without a place in its pace waits for the next one. Among those that could be verified, the
// one whose address and network have tried least in vain goes first, any of several. So one
// that has not tried for a while passes those that try all the time, from however many addresses, and
// one where the account has signed in before passes strangers with a fresh address for each
// attempt. It is safe for concurrent use and keeps no goroutine.
type line struct {
	paces  []pace
	tries  *limit.Limiter[string] // by address, network and site; right ones don't count
	right  *limit.Limiter[string] // right ones, by account and site
	cores  int
	places int // of those who wait, in all
	share  int // of the places, for one network

	mu       sync.Mutex
	verified int // under way; guarded by mu, as are the fields below
	waiting  []*attempt
	wake     *time.Timer
}

// attempt is a password that waits to be verified.
type attempt struct {
	network string
	paces   []string // its keys in the line's paces
	origins []string // its keys in tries
	counted []string // those of origins for which it counts
	home    string   // its key in right
	lot     [8]byte
	decided chan struct{} // closed once it has a core, or has lost its place
	granted bool          // set before decided is closed
}

// pace bounds failed verifications by one key.
type pace struct {
	key     func(prover) string
	limiter *limit.Limiter[string]
}

const (
	patience     = 15 * time.Second // of an attempt; a console page should answer by then
	limitedKeys  = 10_000           // remembered by each limiter
	countedTries = 60               // of one address, network or site, for a minute each; more don't count
	homeTries    = 30               // in vain, which are forgiven where the account has signed in before
	homeMemory   = 90 * 24 * time.Hour
)

// newLine returns a line with the paces of docs/operations.md: of a network, of a network for one
// account, and of an account.
func newLine(cores, places int) *line {
	return &line{
		paces: []pace{
			{prover.network, limit.New[string](30, 5*time.Second, limitedKeys)},
			{func(p prover) string { return p.network() + " " + p.account }, limit.New[string](10, 10*time.Second, limitedKeys)},
			{func(p prover) string { return p.account }, limit.New[string](100, time.Second, limitedKeys)},
		},
		tries: limit.New[string](countedTries, time.Minute, 10*limitedKeys),
		right: limit.New[string](1, homeMemory, limitedKeys),
		cores: cores, places: places, share: max(1, places/8),
	}
}

// enter waits until the password offered by who may be verified. leave ends that, with the
// result. It returns fleet.Busy if others have the places, if the pace has none within the
// patience, and when ctx ends.
func (l *line) enter(ctx context.Context, who prover) (leave func(wrong bool), err error) {
	a := &attempt{network: who.network(), origins: who.origins(), home: who.home(), decided: make(chan struct{})}
	_, _ = rand.Read(a.lot[:]) // never fails since Go 1.24
	for _, p := range l.paces {
		a.paces = append(a.paces, p.key(who))
	}
	for _, key := range a.origins {
		if l.tries.Take(key) {
			a.counted = append(a.counted, key)
		}
	}
	l.mu.Lock()
	l.waiting = append(l.waiting, a)
	l.next()
	l.crowdOut(a)
	l.mu.Unlock()
	over := time.NewTimer(patience)
	defer over.Stop()
	select {
	case <-a.decided:
		err = tooManyAtOnce()
	case <-over.C:
		err = fleet.Errorf(fleet.Busy, "too many failed sign-ins: try again in a minute, or with a browser that you have signed in with before")
	case <-ctx.Done():
		err = tookTooLong(ctx)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if a.granted {
		return func(wrong bool) { l.leave(a, wrong) }, nil
	}
	l.remove(a)
	return nil, err
}

// leave ends a verification. One that was not wrong uses up nothing.
func (l *line) leave(a *attempt, wrong bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.verified--
	if !wrong {
		for i, p := range l.paces {
			p.limiter.Refund(a.paces[i])
		}
		for _, key := range a.counted {
			l.tries.Refund(key)
		}
		l.right.Take(a.home)
	}
	l.next()
}

// charge counts a wrong password that was verified elsewhere.
func (l *line) charge(who prover) {
	for _, p := range l.paces {
		p.limiter.Charge(p.key(who))
	}
	for _, key := range who.origins() {
		l.tries.Take(key)
	}
}

// next gives free cores to those whose turn it is. It expects mu.
func (l *line) next() {
	for l.verified < l.cores {
		at, soonest := l.choose()
		if at < 0 {
			l.wakeIn(soonest)
			return
		}
		a := l.waiting[at]
		for i, p := range l.paces {
			p.limiter.Charge(a.paces[i])
		}
		l.verified++
		l.decide(a, true)
	}
}

// choose returns the index of the attempt to verify next, or -1 and how soon there may be one.
// It expects mu.
func (l *line) choose() (best int, soonest time.Duration) {
	best, soonest = -1, patience
	var least rank
	for i, a := range l.waiting {
		wait := l.wait(a)
		if wait > 0 {
			soonest = min(soonest, wait)
			continue
		}
		if r := l.rank(a); best < 0 || r.before(least) {
			best, least = i, r
		}
	}
	return best, soonest
}

// wait returns how long its paces make an attempt wait.
func (l *line) wait(a *attempt) (longest time.Duration) {
	for i, p := range l.paces {
		longest = max(longest, p.limiter.Wait(a.paces[i]))
	}
	return longest
}

// rank is the place of an attempt among those that could be verified.
type rank struct {
	tried int     // in vain lately, from where it comes
	lot   [8]byte // among equal ones: an order that those who come often can't use
}

func (r rank) before(other rank) bool {
	return r.tried < other.tried || r.tried == other.tried && bytes.Compare(r.lot[:], other.lot[:]) < 0
}

func (l *line) rank(a *attempt) rank {
	n := -len(a.counted) // itself
	for _, key := range a.origins {
		n += l.tries.Used(key)
	}
	if l.right.Used(a.home) > 0 {
		n -= homeTries
	}
	return rank{n, a.lot}
}

// wakeIn calls next after d. It expects mu.
func (l *line) wakeIn(d time.Duration) {
	if len(l.waiting) == 0 {
		return
	}
	if l.wake != nil {
		l.wake.Stop()
	}
	l.wake = time.AfterFunc(d, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.next()
	})
}

// crowdOut makes room after newcomer arrived: where its network or all have too many who wait,
// the one that would be verified last loses its place. It expects mu.
func (l *line) crowdOut(newcomer *attempt) {
	l.bound(l.share, func(a *attempt) bool { return a.network == newcomer.network })
	l.bound(l.places, func(*attempt) bool { return true })
}

func (l *line) bound(most int, of func(*attempt) bool) {
	var last *attempt
	n, largest := 0, rank{}
	for _, a := range l.waiting {
		if !of(a) {
			continue
		}
		n++
		if r := l.rank(a); last == nil || largest.before(r) {
			last, largest = a, r
		}
	}
	if n > most {
		l.decide(last, false)
	}
}

func (l *line) decide(a *attempt, granted bool) {
	a.granted = granted
	l.remove(a)
	close(a.decided)
}

func (l *line) remove(a *attempt) {
	if i := slices.Index(l.waiting, a); i >= 0 {
		l.waiting = slices.Delete(l.waiting, i, i+1)
	}
	if len(l.waiting) == 0 && l.wake != nil {
		l.wake.Stop()
	}
}
