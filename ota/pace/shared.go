package pace

import (
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/store/grant"
)

// turnName is the name of what one of several servers has at a time: only that one begins updates that a limit at
// once or per group bounds. The others count what it began when it is their turn.
const turnName = "turn"

const (
	// settled is how long after its turn began a server must have counted the devices: by then it has seen
	// what the one before began.
	settled = 2 * time.Second
	// asked is how long a server claims the turn after a device asked for a place.
	asked = 30 * time.Second
	// around is how long a turn lasts (store/grant).
	around = 10 * time.Second
)

// shared is what a server has received of the others.
type shared struct {
	servers func() int // those that live
	want    func()
	has     bool      // the turn
	since   time.Time // it has
	asked   time.Time // when a device did last
}

// Shared makes the limits those of all servers that share the store; servers returns how many live. want asks
// for the turn; neither may block. Shared is called before anything else.
func (p *Pace) Shared(servers func() int, want func()) {
	p.shared = &shared{servers: servers, want: want}
}

// Share implements grant.Limits.
func (p *Pace) Share(shares map[string]grant.Allowance) map[string]grant.Need {
	now := time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	if s, has := shares[turnName]; has {
		if s.Bound > 0 && !p.shared.has {
			p.shared.since = now
		}
		p.shared.has = s.Bound > 0
	}
	need := grant.Need{Most: 1}
	if !p.shared.asked.IsZero() && now.Sub(p.shared.asked) < asked {
		need.Wants = 1
	}
	for _, t := range p.taken {
		if t.begun == 0 { // it may be written at any moment
			need.Held = 1
		}
	}
	return map[string]grant.Need{turnName: need}
}

// mayBegin reports whether it is this server's turn, if the limits need one, and whether devices of r were counted
// since. The caller holds p.mu.
func (p *Pace) mayBegin(r *release, limits fleet.ReleaseLimits) bool {
	if p.shared == nil || limits.AtOnce == 0 && limits.Group == 0 {
		return true
	}
	now := time.Now()
	if p.shared.asked.IsZero() || now.Sub(p.shared.asked) >= asked {
		p.shared.want()
	}
	p.shared.asked = now
	return p.shared.has && r.counted.Sub(p.shared.since) >= settled
}

// part is how many servers divide a rate, and for how long unused time is kept.
func (p *Pace) part(limits fleet.ReleaseLimits) (servers float64, keep time.Duration, least float64) {
	if p.shared == nil {
		return 1, time.Second, 2
	}
	n := max(p.shared.servers(), 1)
	if limits.AtOnce == 0 && limits.Group == 0 {
		return float64(n), time.Second, 1
	}
	return float64(n), time.Duration(n) * around, 1
}
