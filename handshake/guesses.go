package handshake

import (
	"slices"
	"sync"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/limit"
)

// Guess is a suspicion that a host guesses the secrets of a team's devices, or that devices
// behind its address have wrong ones.
type Guess struct {
	Device  fleet.Device     // the last one that was tried
	Devices []fleet.DeviceID // of the team, that were tried from there; at most maxGuessed
	Address string           // that the last attempt came from
}

// Limits of what is remembered about guesses. A team with more alerts than guessAlerts has
// been warned.
const (
	maxGuessed    = 10
	maxGuesses    = 1000
	guessInterval = time.Hour // between two alerts about one address
	guessAlerts   = 5         // of a team in a row, then one per guessInterval
)

// guesses collects which devices were tried from where. It is safe for concurrent use.
type guesses struct {
	alerts *limit.Limiter[fleet.TeamID]

	mu   sync.Mutex
	from map[origin]*tried // guarded by mu
}

// origin is where a team's devices are tried from.
type origin struct {
	team    fleet.TeamID
	network string
}

type tried struct {
	devices []fleet.DeviceID
	last    time.Time
	alerted time.Time
}

func newGuesses() *guesses {
	return &guesses{alerts: limit.New[fleet.TeamID](guessAlerts, guessInterval, maxGuesses), from: make(map[origin]*tried)}
}

// add notes a failed proof of d. If somebody is suspected, it returns the guess to raise an
// alert about, unless there was one a short time ago.
func (g *guesses) add(d *fleet.Device, address string, suspected bool) (guess Guess, alert bool) {
	now, from := time.Now(), origin{d.Team, limit.Network(address)}
	g.mu.Lock()
	defer g.mu.Unlock()
	t := g.from[from]
	if t == nil {
		g.makeRoom()
		t = new(tried)
		g.from[from] = t
	}
	if now.Sub(t.last) > guessInterval {
		t.devices = nil
	}
	t.last = now
	if len(t.devices) < maxGuessed && !slices.Contains(t.devices, d.ID) {
		t.devices = append(t.devices, d.ID)
	}
	if !suspected || !t.alerted.IsZero() && now.Sub(t.alerted) < guessInterval || !g.alerts.Take(d.Team) {
		return Guess{}, false
	}
	t.alerted = now
	return Guess{Device: *d, Devices: slices.Clone(t.devices), Address: address}, true
}

// makeRoom forgets the longest quiet of a few origins when there are too many.
func (g *guesses) makeRoom() {
	if len(g.from) < maxGuesses {
		return
	}
	const sampled = 8 // a map's iteration starts anywhere
	var oldest origin
	n := 0
	for from, t := range g.from {
		if n == 0 || t.last.Before(g.from[oldest].last) {
			oldest = from
		}
		if n++; n == sampled {
			break
		}
	}
	delete(g.from, oldest)
}
