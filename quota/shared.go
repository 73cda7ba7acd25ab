package quota

import (
	"strconv"
	"strings"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/store/grant"
)

// shared is what a server has of the places of each team, which hold for all servers that share the store.
type shared struct {
	ask       func() error // waits until grants were exchanged, or returns an error
	bounds    map[fleet.TeamID]int64
	elsewhere map[fleet.TeamID]int64 // places at the other servers
	asking    map[fleet.TeamID]int64 // who waits for a place
}

// patience is how long Take waits for a place that another server keeps: others look once a second, and give it up
// when they see that it is wanted.
const patience = 3 * time.Second

var errReserved = fleet.Errorf(fleet.Busy, "other servers keep the last places of your team for a moment: try again in a second")

// Shared makes the limit of each team that of all servers that share the store. ask is called, without a
// lock, by whoever finds no place here while others may have some left; it returns once grants were exchanged,
// or an error if they can't be. Shared is called before anything else.
func (p *Places) Shared(ask func() error) {
	p.shared = &shared{ask: ask, bounds: map[fleet.TeamID]int64{}, elsewhere: map[fleet.TeamID]int64{}, asking: map[fleet.TeamID]int64{}}
}

// Share implements grant.Limits.
func (p *Places) Share(shares map[string]grant.Allowance) map[string]grant.Need {
	p.mu.Lock()
	defer p.mu.Unlock()
	prefix := p.limit.Name + ":"
	for name, share := range shares {
		if number, ours := strings.CutPrefix(name, prefix); ours {
			id, _ := strconv.ParseUint(number, 10, 32) // written below
			team := fleet.TeamID(id)
			p.shared.bounds[team], p.shared.elsewhere[team] = share.Bound, share.Elsewhere
		}
	}
	needs := map[string]grant.Need{}
	for team, held := range p.teams {
		n := int64(held.Len())
		needs[prefix+team.String()] = grant.Need{Most: p.limit.Most, Held: n, Wants: n + p.shared.asking[team], Stays: true}
	}
	for team, n := range p.shared.asking {
		if p.teams[team] == nil {
			needs[prefix+team.String()] = grant.Need{Most: p.limit.Most, Wants: n, Stays: true}
		}
	}
	for team := range p.shared.bounds {
		if _, has := needs[prefix+team.String()]; !has {
			delete(p.shared.bounds, team)
			delete(p.shared.elsewhere, team)
		}
	}
	return needs
}

// room returns nil if a team may have one more place. It expects mu.
func (p *Places) room(team fleet.TeamID) error {
	n := int64(p.of(team))
	switch {
	case p.limit.Most <= 0:
		return nil
	case p.shared != nil && n < p.shared.bounds[team]:
		return nil
	case p.shared != nil && n+p.shared.elsewhere[team] < p.limit.Most:
		return errReserved
	case p.shared != nil:
		return p.limit.exceeded(fleet.Busy, n+p.shared.elsewhere[team])
	case n >= p.limit.Most:
		return p.limit.exceeded(fleet.Busy, n)
	}
	return nil
}

// again waits until the other servers have given a place up, and takes it.
func (p *Places) again(place *Place) (victim *Place, err error) {
	team := place.by.team
	if !p.waits(team) {
		return nil, errReserved
	}
	defer p.waited(team)
	for began := time.Now(); time.Since(began) < patience; {
		if p.shared.ask() != nil {
			return nil, errReserved
		}
		if victim, err = p.take(place); err != errReserved { //nolint:errorlint // take's own
			break
		}
	}
	return victim, err
}

// waits counts one more that waits for a place, unless as many wait already as there can be places for.
func (p *Places) waits(team fleet.TeamID) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.shared.asking[team] >= p.limit.Most-int64(p.of(team))-p.shared.elsewhere[team] {
		return false
	}
	p.shared.asking[team]++
	return true
}

func (p *Places) waited(team fleet.TeamID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.shared.asking[team]--; p.shared.asking[team] == 0 {
		delete(p.shared.asking, team)
	}
}
