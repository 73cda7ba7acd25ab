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

// wait waits until n bytes may go, and reports false when done was closed before.
func (p *pacer) wait(done <-chan struct{}, n int64) bool {
	select {
	case <-done:
		return false
	default:
	}
	if p.rate <= 0 {
		return true
	}
	now := time.Now()
	p.mu.Lock()
	if earliest := now.Add(-paceBurst); p.next.Before(earliest) {
		p.next = earliest
	}
	due := p.next
	p.next = p.next.Add(time.Duration(n) * time.Second / time.Duration(p.rate))
	p.mu.Unlock()
	delay := due.Sub(now)
	if delay <= 0 {
		return true
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
