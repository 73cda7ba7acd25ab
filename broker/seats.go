package broker

import (
	"bufio"
	"time"
)

// seat lets one connection per device in at a time. A newer connection ends the holder
// and waits until that has finished, its Gone included; a still newer one takes the
// waiting one's place. So at most one holds and one waits, whatever a device does. While one
// pauses, because its device connects too often, there may be no holder.
type seat struct {
	holder *Link
	next   *Link  // waits on its turn channel, or pauses; nil: nobody
	before string // address of the holder before
}

// take gives l the seat of its device, after a pause where the device connects too often,
// ending the connection that holds it. It returns false when no seat is left, l itself has
// ended meanwhile, was displaced by a newer one, or the holder did not finish within the
// takeover timeout.
func (b *Broker) take(l *Link, in *bufio.Reader) bool {
	b.mu.Lock()
	s, taken := b.seats[l.id]
	if !taken && len(b.seats) >= b.cfg.MaxConnections {
		b.mu.Unlock()
		return false
	}
	pause, rival := b.pacer.pause(l, s)
	if !taken && pause == 0 {
		b.seats[l.id] = seat{holder: l}
		b.mu.Unlock()
		return true
	}
	displaced := s.next
	s.next, l.turn, l.pausing = l, make(chan struct{}), pause > 0
	b.seats[l.id] = s
	b.mu.Unlock()

	if displaced != nil {
		displaced.end(codeTakenOver)
	}
	if rival != "" {
		l.session.Rival(rival)
	}
	if pause > 0 {
		b.count.paused.Add(1)
		if !l.sitOut(pause, in) {
			return false
		}
	}
	return b.succeed(l)
}

// succeed ends the holder of l's seat and waits until it has finished.
func (b *Broker) succeed(l *Link) bool {
	b.mu.Lock()
	s := b.seats[l.id]
	if s.next != l { // displaced, or the holder has left it the seat
		b.mu.Unlock()
		return s.holder == l
	}
	l.pausing = false
	if s.holder == nil {
		b.seats[l.id] = seat{holder: l, before: s.before}
		b.mu.Unlock()
		return true
	}
	b.mu.Unlock()
	b.count.takeovers.Add(1)
	s.holder.end(codeTakenOver)
	timeout := time.NewTimer(b.cfg.TakeoverTimeout)
	defer timeout.Stop()
	select {
	case <-l.turn:
		return true
	case <-l.out.Closed():
	case <-timeout.C:
	}
	return false
}

// leave gives up l's seat, or its place in the queue for it, to the next link that waits.
func (b *Broker) leave(l *Link) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.seats[l.id]
	switch {
	case s.holder == l && s.next == nil, s.holder == nil && s.next == l:
		delete(b.seats, l.id)
	case s.holder == l && s.next.pausing:
		b.seats[l.id] = seat{next: s.next, before: l.address}
	case s.holder == l:
		b.seats[l.id] = seat{holder: s.next, before: l.address}
		close(s.next.turn)
	case s.next == l:
		b.seats[l.id] = seat{holder: s.holder, before: s.before}
	}
}
