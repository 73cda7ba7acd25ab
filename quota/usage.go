package quota

import (
	"context"

	"github.com/muster-iot/muster/fleet"
)

// Usage is how much of one quota a team has used up.
type Usage struct {
	Limit
	Used  int64
	Share int64 // of what all teams use, that no other team can take away; 0: nothing is shared
}

// Usage returns the use of every quota by the actor's team. It requires the right to see the audit
// log, because the numbers include what others don't see.
func (q *Quotas) Usage(ctx context.Context, actor fleet.Actor) (all []Usage, err error) {
	if err := actor.May(fleet.SeeAudit); err != nil {
		return nil, err
	}
	if q.Devices == nil { // no team has any
		return nil, nil
	}
	for _, s := range []*Stock{q.Devices, q.Images} {
		used, err := s.count(ctx, actor.Team)
		if err != nil {
			return nil, err
		}
		all = append(all, Usage{Limit: s.limit, Used: used})
	}
	for _, p := range []*Places{q.Connections, q.Streams, q.Uploads} {
		all = append(all, Usage{Limit: p.limit, Used: p.used(actor.Team), Share: p.share(actor.Team)})
	}
	if q.config.Updates == nil { // a server that updates nothing
		return all, nil
	}
	return append(all,
		Usage{Limit: Limit{"updates", "updates that transfer", int64(q.config.Limits.Updates), "others wait, at no cost"}, Used: int64(q.config.Updates(actor.Team))},
		Usage{Limit: Limit{"messages", "messages per second", int64(q.config.TeamMessages), "above it, the team's devices are read more slowly"}, Used: int64(q.config.Messages(actor.Team))},
	), nil
}

// share is how many places a team can always have.
func (p *Places) share(team fleet.TeamID) int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return int64(p.shareOf(team))
}
