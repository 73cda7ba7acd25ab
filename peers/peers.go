package peers

import (
	"context"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/muster-iot/muster/event"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/store/record"
	"github.com/muster-iot/muster/store/relay"
)

// The topics; most are followed by the number of what they are about.
const (
	topicEvents    = "t" // of a team
	topicDownloads = "v" // of a team
	topicHealth    = "h" // of a product
	topicEnded     = "u" // updates of all products
	topicSignIns   = "s" // that failed, of all teams
)

const (
	// linger is how long a topic is wanted after its last use: pages are left for others, and looked at again.
	linger = 30 * time.Second
	tick   = time.Second // between two looks at what this server subscribes to
)

// Config is what a Peers works with. Its functions must not block.
type Config struct {
	Relay *relay.Relay // nil: the server does not share its store
	Log   *slog.Logger

	// Hear passes an event of another server on to those who listen here.
	Hear func(event.Event)
	// Ended counts an update that ended at another server.
	Ended func(fleet.TeamID, fleet.ProductID, fleet.UpdateState)
	// Greeted and Alerted count a handshake and an alert at another server.
	Greeted func(product fleet.ProductID, device fleet.DeviceID, confirmed bool)
	Alerted func(device fleet.DeviceID)
	// SignInFailed counts a failed sign-in at another server.
	SignInFailed func(address, email, browser string)
	// Judged returns the products whose devices' handshakes and alerts this server counts.
	Judged func() []fleet.ProductID
	// Downloads returns the downloads of a team's devices at this server, and how many bytes each has.
	Downloads func(fleet.TeamID) map[fleet.DeviceID]int64
}

// Peers are the other servers that share the store. It is safe for concurrent use; its methods never block. If there can be none,
// nothing is passed on and nothing heard.
type Peers struct {
	Config

	looked chan struct{} // has a place for one request to send downloads at once

	mu        sync.Mutex
	listening map[fleet.TeamID]int                      // how many listen here; guarded by mu
	until     map[string]time.Time                      // topics that were used lately; guarded by mu
	heard     map[fleet.TeamID]map[string]downloads     // by server; guarded by mu
	merged    map[fleet.TeamID]map[fleet.DeviceID]int64 // of all servers, never changed once it is here; guarded by mu
}

// New returns Peers that hear nothing before Run.
func New(config Config) *Peers {
	return &Peers{
		Config: config, looked: make(chan struct{}, 1), listening: map[fleet.TeamID]int{}, until: map[string]time.Time{},
		heard: map[fleet.TeamID]map[string]downloads{}, merged: map[fleet.TeamID]map[fleet.DeviceID]int64{},
	}
}

// Listen has other servers pass on the events of a team, until left is called.
func (p *Peers) Listen(team fleet.TeamID) (left func()) {
	if p.Relay == nil {
		return func() {}
	}
	p.mu.Lock()
	p.listening[team]++
	p.mu.Unlock()
	p.want()
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.listening[team]--; p.listening[team] == 0 {
			delete(p.listening, team)
			p.until[topicEvents+team.String()] = time.Now().Add(linger)
		}
	}
}

// Publish passes an event of this server on.
func (p *Peers) Publish(e event.Event) {
	if p.Relay == nil { // without a text for each event
		return
	}
	p.Relay.Send(topicEvents+e.Team.String(), func() []byte { return []byte(record.PackEvent(e)) })
}

// want publishes which topics this server subscribes to.
func (p *Peers) want() {
	if p.Relay == nil {
		return
	}
	topics := []string{topicEnded, topicSignIns}
	for _, product := range p.Judged() {
		topics = append(topics, topicHealth+product.String())
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	maps.DeleteFunc(p.until, func(_ string, until time.Time) bool { return until.Before(now) })
	for topic := range p.until {
		topics = append(topics, topic)
	}
	for team := range p.listening {
		topics = append(topics, topicEvents+team.String())
	}
	p.Relay.Want(topics)
}

// Run passes on and hears until ctx ends.
func (p *Peers) Run(ctx context.Context) {
	if p.Relay == nil {
		return
	}
	var relaying sync.WaitGroup
	defer relaying.Wait()
	relaying.Go(func() {
		p.Relay.Run(ctx, relay.Receiver{News: p.news, Missed: p.missed, Changed: p.look})
	})
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for n := 0; ; n++ {
		p.want()
		p.forget()
		if n%2 == 0 {
			p.show()
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-p.looked:
			n = -1
		}
	}
}

// look sends downloads at once.
func (p *Peers) look() {
	select {
	case p.looked <- struct{}{}:
	default:
	}
}

// news acts on what another server has passed on. What can't be read is by a newer release.
func (p *Peers) news(from, topic string, data []byte) {
	var err error
	switch topic[:1] {
	case topicEvents:
		var e event.Event
		if e, err = record.UnpackEvent(string(data)); err == nil {
			p.Hear(e)
		}
	case topicDownloads:
		err = p.downloads(from, topic[1:], string(data))
	case topicHealth:
		err = p.sign(topic[1:], string(data))
	case topicEnded:
		err = p.ended(string(data))
	case topicSignIns:
		err = p.signInFailed(data)
	}
	if err != nil {
		p.Log.Debug("news of another server were left out", "topic", topic, "err", err)
	}
}

// missed reports a gap to those who listen; the others do with less.
func (p *Peers) missed(topic string) {
	if team, is := strings.CutPrefix(topic, topicEvents); is {
		if id, err := number[fleet.TeamID](team); err == nil {
			p.Hear(event.Event{Payload: event.Missed{}, Team: id, At: time.Now()})
		}
	}
}
