package broker

import "time"

// seat lets one connection per device in at a time. A newer connection ends the holder
// and waits until that has finished, its Gone included; a still newer one takes the
// waiting one's place. So at most one holds and one waits, whatever a device does.
type seat struct {
	holder *Link
	next   *Link // waits on its turn channel; nil: nobody
}

// take gives l the seat of its device, ending the connection that holds it. It returns
// false when no seat is left, l itself has ended meanwhile, was displaced by a newer one,
// or the holder did not finish within the takeover timeout.
func (b *Broker) take(l *Link) bool {
	b.mu.Lock()
	s, taken := b.seats[l.id]
	if !taken {
		defer b.mu.Unlock()
		if len(b.seats) >= b.cfg.MaxConnections {
			return false
		}
		b.seats[l.id] = seat{holder: l}
		return true
	}
	displaced := s.next
	s.next, l.turn = l, make(chan struct{})
	b.seats[l.id] = s
	b.mu.Unlock()

	b.count.takeovers.Add(1)
	if displaced != nil {
		displaced.end(codeTakenOver)
	}
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
	s, ok := b.seats[l.id]
	switch {
	case !ok:
	case s.holder == l && s.next == nil:
		delete(b.seats, l.id)
	case s.holder == l:
		b.seats[l.id] = seat{holder: s.next}
		close(s.next.turn)
	case s.next == l:
		b.seats[l.id] = seat{holder: s.holder}
	}
}
