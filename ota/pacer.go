package ota

import (
	"sync"
	"time"
)

// pacer hands out bytes at a rate. Who asks first is served first. The zero pacer is
// unlimited.
type pacer struct {
	rate int64 // bytes per second, 0: unlimited

	mu   sync.Mutex
	next time.Time // when what was handed out so far has gone; guarded by mu
}

const (
	paceBurst = 100 * time.Millisecond // unused time that is kept
	paceBatch = 50 * time.Millisecond  // worth of bytes that one wait takes at most
)

// batch is how many pieces of size bytes one wait should ask for, at least one.
func (p *pacer) batch(size int64) int {
	if p.rate <= 0 {
		return segmentBytes
	}
	return int(max(p.rate*int64(paceBatch)/int64(time.Second)/size, 1))
}

// wait waits until n bytes may go, and reports false when done is closed before.
func (p *pacer) wait(done <-chan struct{}, n int64) bool {
	if p.rate <= 0 {
		return true
	}
	delay := p.take(done, n)
	if delay <= 0 {
		return delay == 0
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-done:
		return false
	case <-timer.C:
		return true
	}
}

// take hands out n bytes and returns how long they have to wait; -1, and none are handed
// out, where they would have to and done is closed.
func (p *pacer) take(done <-chan struct{}, n int64) time.Duration {
	now := time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	if earliest := now.Add(-paceBurst); p.next.Before(earliest) {
		p.next = earliest
	}
	delay := max(p.next.Sub(now), 0)
	if delay > 0 {
		select {
		case <-done:
			return -1
		default:
		}
	}
	p.next = p.next.Add(time.Duration(n) * time.Second / time.Duration(p.rate))
	return delay
}
