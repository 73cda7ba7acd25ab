package notify

import (
	"maps"
	"sync"

	"github.com/muster-iot/muster/fleet"
)

// Stats counts notifications since the server started.
type Stats struct {
	Sent     map[Medium]uint64
	Failed   map[Medium]uint64 // after the last attempt; those whose channel was deleted don't count
	Attempts map[Medium]uint64 // that failed
	Queued   int               // to be delivered now, in all teams
}

// counters are Stats being counted. They are safe for concurrent use.
type counters struct {
	mu                     sync.Mutex
	sent, failed, attempts map[Medium]uint64    // guarded by mu
	queued                 map[fleet.TeamID]int // of teams that have any; guarded by mu
}

func newCounters() *counters {
	return &counters{sent: map[Medium]uint64{}, failed: map[Medium]uint64{}, attempts: map[Medium]uint64{}, queued: map[fleet.TeamID]int{}}
}

// Stats returns what was counted so far.
func (s *Service) Stats() Stats {
	c := s.counters
	c.mu.Lock()
	defer c.mu.Unlock()
	stats := Stats{Sent: maps.Clone(c.sent), Failed: maps.Clone(c.failed), Attempts: maps.Clone(c.attempts)}
	for _, n := range c.queued {
		stats.Queued += n
	}
	return stats
}

// tried counts an attempt at n over kind.
func (c *counters) tried(kind Medium, n *Notification) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch n.State {
	case Sent:
		c.sent[kind]++
		return
	case Failed:
		c.failed[kind]++
	}
	c.attempts[kind]++
}

// wait sets how many notifications of a team are to be delivered.
func (c *counters) wait(team fleet.TeamID, waiting []*Notification) {
	n := 0
	for _, each := range waiting {
		if each.State == Waiting {
			n++
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.queued[team] = n; n == 0 {
		delete(c.queued, team)
	}
}
