package image

import (
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/muster-iot/muster/wire"
)

const (
	paceBurst = 100 * time.Millisecond // unused time that is kept
	paceBatch = 50 * time.Millisecond  // worth of bytes that one wait takes at most
)

// pacer lets all downloads together have so many bytes per second. They wait in turn, and only the first of
// them has a reservation, so that a rate that has changed holds for everything after one batch.
type pacer struct {
	most  int64         // bytes per second; of all servers, where several share it
	first chan struct{} // has a place for the download whose turn it is
	spent atomic.Int64  // bytes

	mu      sync.Mutex
	limiter *rate.Limiter // guarded by mu, as are the fields below
	changed chan struct{} // closed when the rate changes
	used    int64         // bytes per second, lately
	until   int64         // spent, when that was measured
	since   time.Time     // of the next measurement
	waited  bool          // a download has, since then
}

// measured is the time over which used is measured.
const measured = time.Second / 2

func newPacer(bytesPerSecond int64) *pacer {
	p := &pacer{most: bytesPerSecond, first: make(chan struct{}, 1), changed: make(chan struct{}), since: time.Now()}
	p.limiter = rate.NewLimiter(rate.Limit(bytesPerSecond), burst(bytesPerSecond))
	return p
}

// burst is how many bytes may go at once after a pause: paceBurst's worth, and at least the
// largest chunk, which would never go otherwise.
func burst(bytesPerSecond int64) int {
	return int(max(bytesPerSecond*int64(paceBurst)/int64(time.Second), wire.MaxChunk+wire.MaxChunkOverhead))
}

// set changes the rate; 0: nothing goes.
func (p *pacer) set(bytesPerSecond int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.limiter.Limit() == rate.Limit(bytesPerSecond) {
		return
	}
	now := time.Now()
	p.limiter.SetLimitAt(now, rate.Limit(bytesPerSecond))
	p.limiter.SetBurstAt(now, burst(bytesPerSecond))
	close(p.changed)
	p.changed = make(chan struct{})
}

// wants is how many bytes per second would go if all might: any number while downloads wait.
func (p *pacer) wants() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now := time.Now(); now.Sub(p.since) >= measured {
		spent := p.spent.Load()
		if p.used = int64(float64(spent-p.until) / now.Sub(p.since).Seconds()); p.waited {
			p.used = p.most
		}
		p.until, p.since, p.waited = spent, now, len(p.first) > 0
	}
	return min(p.used+p.used/4+p.most/64, p.most) // it may grow
}

// batch is how many chunks of size bytes one wait should ask for, at most count and at
// least one.
func (p *pacer) batch(size, count int) int {
	if p == nil {
		return count
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return min(count, max(int(float64(p.limiter.Limit())*paceBatch.Seconds())/size, 1))
}

// wait waits until n bytes may go, and reports false when done is closed before.
func (p *pacer) wait(done <-chan struct{}, n int) bool {
	if p == nil {
		return true
	}
	select {
	case <-done:
		return false
	default:
	}
	select {
	case p.first <- struct{}{}:
	case <-done:
		return false
	}
	defer func() { <-p.first }()
	for n > 0 {
		r, took, changed := p.reserve(n)
		if r != nil && r.Delay() == 0 {
			n -= took
			p.spent.Add(int64(took))
			continue
		}
		due, stop := after(r)
		select {
		case <-done:
			stop()
			return false
		case <-changed:
			stop()
		case <-due:
			n -= took
			p.spent.Add(int64(took))
		}
	}
	return true
}

// reserve takes n bytes, or as many as may go at once. It returns nil while nothing may.
func (p *pacer) reserve(n int) (r *rate.Reservation, took int, changed <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.limiter.Limit() > 0 {
		took = min(n, p.limiter.Burst())
		r = p.limiter.ReserveN(time.Now(), took)
	}
	p.waited = p.waited || r == nil || r.Delay() > 0
	return r, took, p.changed
}

// after returns a channel that is ready when r's bytes may go, and what gives them back.
func after(r *rate.Reservation) (due <-chan time.Time, stop func()) {
	if r == nil {
		return nil, func() {}
	}
	timer := time.NewTimer(r.Delay())
	return timer.C, func() {
		timer.Stop()
		r.Cancel()
	}
}

// Shared makes the rate that of all servers which share it: nothing goes before SetRate.
func (c *Chunker) Shared() {
	if c.pace != nil {
		c.pace.set(0)
	}
}

// SetRate sets how many bytes per second this server may send of the rate that several share.
func (c *Chunker) SetRate(bytesPerSecond int64) {
	if c.pace != nil {
		c.pace.set(bytesPerSecond)
	}
}

// Rate is how many bytes per second all servers may send, 0 for any number, and how many this one would.
func (c *Chunker) Rate() (most, wants int64) {
	if c.pace == nil {
		return 0, 0
	}
	return c.pace.most, c.pace.wants()
}
