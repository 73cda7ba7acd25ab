package node

import "time"

// last is the last beat that reached Redis.
type last struct {
	at   time.Duration // after began
	term uint64        // changes with each beat that came too late
}

// Lapsed reports whether this node may be dead to others: it must not write.
func (n *Nodes) Lapsed() bool {
	return n != nil && n.lapsed(n.last.Load())
}

func (n *Nodes) lapsed(l *last) bool { return time.Since(n.began)-l.at > patience }

// Term changes whenever others may have taken this node for dead, and acted in its place. What was begun in
// an earlier term must not be written. While the node has lapsed, the term is the one that its next beat begins.
func (n *Nodes) Term() uint64 {
	l := n.last.Load()
	if n.lapsed(l) {
		return l.term + 1
	}
	return l.term
}

// reached notes that a beat which began at a time has reached Redis.
func (n *Nodes) reached(began time.Time) { n.last.Store(&last{at: began.Sub(n.began), term: n.Term()}) }
