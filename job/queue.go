package job

import (
	"context"
	"slices"
	"time"
)

// Resume puts the jobs that an earlier process left into the queue. It must be called before Run and
// the first Start. Servers that share the store do nothing here: the one that leads finds all jobs.
func (s *Service) Resume(ctx context.Context) error {
	if s.leads != nil {
		return nil
	}
	return s.gather(ctx)
}

// lookEvery is the time between two looks for jobs that were started at other servers.
const lookEvery = time.Second

// mayRun reports whether this server carries out jobs now, and finds those that were started at others.
func (s *Service) mayRun(ctx context.Context) bool {
	if s.leads == nil {
		return true
	}
	if !s.leads() {
		s.mu.Lock()
		s.queue = nil // whoever leads next finds them in the store
		s.mu.Unlock()
		return false
	}
	if time.Since(s.looked) >= lookEvery && s.gather(ctx) == nil {
		s.looked = time.Now()
	}
	return true
}

// gather puts the jobs that are in the store into the queue.
func (s *Service) gather(ctx context.Context) error {
	entries, err := s.jobs.Entered(ctx)
	if err != nil {
		return err
	}
	for _, e := range entries {
		s.enqueue(&running{Entry: e, again: true})
	}
	return nil
}

func (s *Service) enqueue(r *running) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.ContainsFunc(s.queue, func(other *running) bool { return other.ID == r.ID }) {
		s.queue = append(s.queue, r)
	}
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
