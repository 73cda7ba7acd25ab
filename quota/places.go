package quota

import (
	"container/list"
	"fmt"
	"sync"

	"github.com/muster-iot/muster/fleet"
)

// Places bound what is in use at a moment: in all, by team and by user. Where all are taken and a
// team below its share needs one, the newest place of the team with the most is lost.
type Places struct {
	limit Limit
	most  int // in all
	user  int // of one user; 0: no limit

	mu    sync.Mutex
	taken int                         // guarded by mu, as are the fields below
	teams map[fleet.TeamID]*list.List // of *Place, oldest first; none is empty
	users map[userOfTeam]int          // places

	shared *shared // nil: this server has all
}

type userOfTeam struct {
	team fleet.TeamID
	user string
}

// Place is one of the Places.
type Place struct {
	places *Places
	by     userOfTeam
	lost   func()
	at     *list.Element // in its team's list; nil: given back or lost; guarded by places.mu
}

func newPlaces(limit Limit, most, user int) *Places {
	return &Places{limit: limit, most: most, user: user, teams: make(map[fleet.TeamID]*list.List), users: make(map[userOfTeam]int)}
}

// Take takes a place, which the caller gives back with Leave. lost is called, at most once and not
// by Take's own goroutine for its own place, when another team needs it; it must not block. It
// returns fleet.Busy if the user or the team has as many as it may have, or if all are taken and
// the team has its share.
func (p *Places) Take(team fleet.TeamID, user string, lost func()) (*Place, error) {
	if p == nil {
		return nil, nil //nolint:nilnil // Leave takes nil: without Places there is no limit
	}
	place := &Place{places: p, by: userOfTeam{team, user}, lost: lost}
	victim, err := p.take(place)
	if err == errReserved { //nolint:errorlint // take's own
		victim, err = p.again(place)
	}
	if victim != nil {
		victim.lost()
	}
	if err != nil {
		return nil, err
	}
	return place, nil
}

// Renew takes a place for a user who has at most one, which may have to be returned only later:
// a device that connects again while its older connection ends. Then no limit holds.
func (p *Places) Renew(team fleet.TeamID, user string, lost func()) (*Place, error) {
	if p == nil {
		return nil, nil //nolint:nilnil // as for Take
	}
	by := userOfTeam{team, user}
	p.mu.Lock()
	if p.users[by] > 0 {
		place := &Place{places: p, by: by, lost: lost}
		p.add(place)
		p.mu.Unlock()
		return place, nil
	}
	p.mu.Unlock()
	return p.Take(team, user, lost)
}

func (p *Places) take(place *Place) (victim *Place, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	team := place.by.team
	if p.user > 0 && p.users[place.by] >= p.user {
		return nil, &fleet.Error{Kind: fleet.Busy, Code: Code, Text: fmt.Sprintf(
			"quota user_%s: you have %d of at most %d %s: close some", p.limit.Name, p.users[place.by], p.user, p.limit.Unit)}
	}
	if err := p.room(team); err != nil {
		return nil, err
	}
	if p.most > 0 && p.taken >= p.most {
		if victim = p.victim(team); victim == nil {
			return nil, &fleet.Error{Kind: fleet.Busy, Code: Code, Text: fmt.Sprintf(
				"the server has all %d %s it can have, and your team has its share, %d: try again later", p.most, p.limit.Unit, p.of(team))}
		}
		p.remove(victim)
	}
	p.add(place)
	return victim, nil
}

// victim is the place to end for one more of team; nil: none.
func (p *Places) victim(team fleet.TeamID) *Place {
	var most *list.List
	for _, held := range p.teams {
		if most == nil || held.Len() > most.Len() {
			most = held
		}
	}
	if own := p.of(team); most == nil || own >= p.shareOf(team) || most.Len() <= own+1 {
		return nil
	}
	return most.Back().Value.(*Place)
}

// of is how many places a team has here. It expects mu.
func (p *Places) of(team fleet.TeamID) int {
	if held := p.teams[team]; held != nil {
		return held.Len()
	}
	return 0
}

// shareOf divides the places by the teams that have any, team included. It expects mu.
func (p *Places) shareOf(team fleet.TeamID) int {
	teams := len(p.teams)
	if p.teams[team] == nil {
		teams++
	}
	return p.most / teams
}

func (p *Places) add(place *Place) {
	p.taken++
	p.users[place.by]++
	held := p.teams[place.by.team]
	if held == nil {
		held = list.New()
		p.teams[place.by.team] = held
	}
	place.at = held.PushBack(place)
}

func (p *Places) remove(place *Place) {
	p.taken--
	if p.users[place.by]--; p.users[place.by] == 0 {
		delete(p.users, place.by)
	}
	held := p.teams[place.by.team]
	held.Remove(place.at)
	place.at = nil
	if held.Len() == 0 {
		delete(p.teams, place.by.team)
	}
}

// Leave gives the place back. It may be called more than once, and for nil.
func (p *Place) Leave() {
	if p == nil {
		return
	}
	p.places.mu.Lock()
	defer p.places.mu.Unlock()
	if p.at != nil {
		p.places.remove(p)
	}
}

// used returns how many places a team has, at all servers that share the limit.
func (p *Places) used(team fleet.TeamID) int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := int64(p.of(team))
	if p.shared != nil {
		n += p.shared.elsewhere[team]
	}
	return n
}
