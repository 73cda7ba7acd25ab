package job

import (
	"context"
	"errors"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/steady"
	"github.com/muster-iot/muster/store/jobs"
)

const (
	maxPause      = time.Second // between two parts
	retryEvery    = time.Second // while the store does not answer
	announceEvery = time.Second
)

// Run carries out jobs until ctx ends, also those that an earlier process left. It works on one part
// of one job at a time and rests as long as that took, so that it takes at most half of what is
// there: the slower the server, the longer it rests.
func (s *Service) Run(ctx context.Context) {
	var tick <-chan time.Time // never, unless jobs are started at other servers, too
	if s.leads != nil {
		ticker := time.NewTicker(lookEvery)
		defer ticker.Stop()
		tick = ticker.C
	}
	for {
		var r *running
		term := s.jobs.InTerm(ctx) // before it asks whether it leads
		if s.mayRun(ctx) {
			r = s.next()
		}
		if r == nil {
			select {
			case <-ctx.Done():
				return
			case <-s.wake:
			case <-tick:
			}
			continue
		}
		began := time.Now()
		over, err := s.step(term, r)
		pause := min(time.Since(began), maxPause)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			r.again = true
			s.log.Warn("a job waits", "team", r.Team, "job", r.Number, "err", err)
			pause = retryEvery
		case over:
			s.leave(r)
			continue
		}
		if !steady.Sleep(ctx, pause) {
			return
		}
	}
}

// step does the next part of a job and reports whether the job is over and nothing of it is left to do.
func (s *Service) step(ctx context.Context, r *running) (over bool, err error) {
	j, err := s.jobs.Job(ctx, r.Team, r.Number)
	switch {
	case errors.Is(err, fleet.NotFound): // its team was deleted, or it was dropped
		return true, errors.Join(s.jobs.DropDevices(ctx, r.Team, r.Number), s.jobs.Open.Close(ctx, r.ID))
	case err != nil:
		return false, err
	case j.State == jobs.Preparing && s.leads != nil && s.alive(r.By): // its server puts it back
		return true, nil
	case j.State == jobs.Preparing: // by a process that was killed: nobody had an answer
		if err := s.jobs.Remove(ctx, r.Team, r.Number); err != nil {
			return false, err
		}
		return true, s.jobs.Open.Close(ctx, r.ID)
	case j.State.Over():
		return s.finish(ctx, r, &j)
	}
	actor, err := s.actor(ctx, r.Team, &j)
	if err != nil {
		if errors.Is(err, fleet.Unavailable) {
			return false, err
		}
		return false, s.fail(ctx, r, err)
	}
	ids, err := s.jobs.Devices(ctx, r.Team, r.Number, j.Part)
	if errors.Is(err, fleet.NotFound) {
		return false, s.end(ctx, r, jobs.Done, "")
	}
	if err != nil {
		return false, err
	}
	errs, err := s.do(ctx, actor, &j, ids, r.again)
	if err == nil {
		err = unavailable(errs)
	}
	switch {
	case errors.Is(err, fleet.Unavailable), ctx.Err() != nil:
		return false, errors.Join(err, ctx.Err())
	case err != nil:
		return false, s.fail(ctx, r, err)
	}
	return false, s.commit(ctx, r, &j, ids, errs)
}

// unavailable returns an error after which a part has to be done again.
func unavailable(errs []error) error {
	for _, err := range errs {
		if errors.Is(err, fleet.Unavailable) {
			return err
		}
	}
	return nil
}

// actor returns who started a job with the rights that they have now.
func (s *Service) actor(ctx context.Context, team fleet.TeamID, j *Job) (fleet.Actor, error) {
	m, err := s.teams.Member(ctx, team, j.User)
	if errors.Is(err, fleet.NotFound) {
		return fleet.Actor{}, fleet.Errorf(fleet.Denied, "%s is no longer a member of the team", j.Email)
	}
	if err != nil {
		return fleet.Actor{}, err
	}
	who := fleet.Actor{User: m.User, Email: m.Email, Team: m.Team, Role: m.Role, Groups: m.Groups, Token: j.Token, Address: j.Address}
	if err := May(who, j.Action); err != nil {
		return who, fleet.Errorf(fleet.Denied, "%s may no longer do this: %w", j.Email, err)
	}
	return who, nil
}

func (s *Service) fail(ctx context.Context, r *running, why error) error {
	return s.end(ctx, r, jobs.Failed, text(why))
}

// end makes a job be over, unless it is.
func (s *Service) end(ctx context.Context, r *running, state State, why string) error {
	_, err := s.jobs.Edit(ctx, r.Team, r.Number, func(j *Job) error {
		if !j.State.Over() {
			j.State, j.Why, j.Ended = state, why, s.clock.Now().UTC()
		}
		return nil
	})
	return err
}
