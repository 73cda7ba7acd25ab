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
	ask       func() // waits until grants were exchanged, for about a second at most
	bounds    map[fleet.TeamID]int64
	elsewhere map[fleet.TeamID]int64     // places at the other servers
	asking    map[fleet.TeamID]int64     // who calls ask
	short     map[fleet.TeamID]time.Time // until when a team whose places others kept may have one here
}

// remembered is how long a server claims a place for a team that found none: others give it up within two
// seconds, and devices come back within a minute (docs/protocol.md, "Connection").
const remembered = time.Minute

var errReserved = fleet.Errorf(fleet.Busy, "other servers keep the last places of your team for a moment: try again in a second")

// Shared makes the limit of each team that of all servers that share the store. ask is called, without a
// lock, by callers that find no place here while others may have some left; it returns once grants were exchanged,
// or can't be. Shared is called before anything else.
func (p *Places) Shared(ask func()) {
	p.shared = &shared{
		ask: ask, bounds: map[fleet.TeamID]int64{}, elsewhere: map[fleet.TeamID]int64{},
		asking: map[fleet.TeamID]int64{}, short: map[fleet.TeamID]time.Time{},
	}
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
	for team := range p.teams {
		needs[prefix+team.String()] = p.need(team)
	}
	for team := range p.shared.asking {
		needs[prefix+team.String()] = p.need(team)
	}
	for team, until := range p.shared.short {
		if time.Now().After(until) {
			delete(p.shared.short, team)
			continue
		}
		needs[prefix+team.String()] = p.need(team)
	}
	for team := range p.shared.bounds {
		if _, has := needs[prefix+team.String()]; !has {
			delete(p.shared.bounds, team)
			delete(p.shared.elsewhere, team)
		}
	}
	return needs
}

// need expects mu.
func (p *Places) need(team fleet.TeamID) grant.Need {
	held, more := int64(p.of(team)), p.shared.asking[team]
	if time.Now().Before(p.shared.short[team]) {
		more = max(more, 1)
	}
	return grant.Need{Most: p.limit.Most, Held: held, Wants: held + more, Stays: true}
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

// again asks for a grant and takes the place then.
func (p *Places) again(place *Place) (victim *Place, err error) {
	team := place.by.team
	p.asks(team, 1)
	p.shared.ask()
	victim, err = p.take(place)
	p.asks(team, -1)
	if err == errReserved { //nolint:errorlint // take's own
		p.mu.Lock()
		p.shared.short[team] = time.Now().Add(remembered)
		p.mu.Unlock()
	}
	return victim, err
}

func (p *Places) asks(team fleet.TeamID, n int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.shared.asking[team] += n; p.shared.asking[team] == 0 {
		delete(p.shared.asking, team)
	}
}
