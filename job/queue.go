package job

import (
	"context"
	"slices"
)

// Resume puts the jobs that an earlier process left into the queue. It must be called before Run and
// the first Start.
func (s *Service) Resume(ctx context.Context) error {
	entries, err := s.jobs.Entered(ctx)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range entries {
		s.queue = append(s.queue, &running{Entry: e, again: true})
	}
	return nil
}

// next returns the oldest job of a team, nil if there is none: the teams take turns.
func (s *Service) next() *running {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) == 0 {
		return nil
	}
	r := s.queue[0]
	for _, other := range s.queue {
		if other.Team == r.Team && other.Number < r.Number {
			r = other
		}
	}
	// The team's turn is over: its jobs go behind those of others, in their order.
	var mine, others []*running
	for _, other := range s.queue {
		if other.Team == r.Team {
			mine = append(mine, other)
		} else {
			others = append(others, other)
		}
	}
	s.queue = slices.Concat(others, mine)
	return r
}

func (s *Service) leave(r *running) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue = slices.DeleteFunc(s.queue, func(other *running) bool { return other == r })
}
