package quota

import (
	"context"
	"sync"

	"github.com/muster-iot/muster/fleet"
)

// Stock bounds what a team keeps.
type Stock struct {
	limit Limit
	count func(context.Context, fleet.TeamID) (int64, error)

	mu       sync.Mutex
	reserved map[fleet.TeamID]int64 // for what is being written; guarded by mu
}

func newStock(limit Limit, count func(context.Context, fleet.TeamID) (int64, error)) *Stock {
	return &Stock{limit: limit, count: count, reserved: make(map[fleet.TeamID]int64)}
}

// Reserve makes sure that the team may have n more. The caller calls release once their records
// are written, or are not going to be. It returns fleet.Conflict if they are too many.
func (s *Stock) Reserve(ctx context.Context, team fleet.TeamID, n int64) (release func(), err error) {
	if s == nil || s.limit.Most <= 0 || n <= 0 {
		return func() {}, nil
	}
	before := s.add(team, n)
	used, err := s.count(ctx, team) // what others release meanwhile counts twice: too much, never too little
	if err == nil && used+before+n > s.limit.Most {
		err = s.limit.exceeded(fleet.Conflict, used+before)
	}
	if err != nil {
		s.add(team, -n)
		return nil, err
	}
	return sync.OnceFunc(func() { s.add(team, -n) }), nil
}

// add reserves n more and returns how many were reserved before.
func (s *Stock) add(team fleet.TeamID, n int64) (before int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before = s.reserved[team]
	if s.reserved[team] += n; s.reserved[team] == 0 {
		delete(s.reserved, team)
	}
	return before
}
