package notify

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/muster-iot/muster/audit"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/limit"
	"github.com/muster-iot/muster/notify/mail"
	"github.com/muster-iot/muster/notify/webhook"
	"github.com/muster-iot/muster/store"
	"github.com/muster-iot/muster/store/outbox"
)

// Config is what a Service works with.
type Config struct {
	Outbox   *outbox.Outbox
	Messages *store.Messages
	Teams    *store.Teams
	Audit    *audit.Log
	Webhook  *webhook.Sender
	Mail     *mail.Sender // nil: there is no mail server
	Link     string       // by which people reach the server, without a slash at the end; "": no links
	Log      *slog.Logger

	// Leads reports whether this server delivers for all that share the store; nil: it is the only one.
	Leads func() bool
	// Raise raises an alert of a team that is about no device.
	Raise func(ctx context.Context, team fleet.TeamID, name, text string)
	// Products returns what a digest of a team reports about its products.
	Products func(ctx context.Context, team fleet.TeamID) ([]ProductReport, error)
	// Name returns the name of a product.
	Name func(ctx context.Context, product fleet.ProductID) (string, error)
}

// Service is notifications of all teams. Its methods may be called concurrently; one process at a
// time calls Run.
type Service struct {
	config      Config
	sweepEvery  time.Duration
	rates       *rates
	counters    *counters
	tests       *limit.Limiter[fleet.TeamID]
	invitations *limit.Limiter[fleet.TeamID]
	wake        chan struct{} // has a place for one request to look at woken

	pauses    []time.Duration          // after failed attempts: there is one attempt more
	gathering map[Medium]time.Duration // between two notifications of alerts to one channel

	mu    sync.Mutex
	woken map[fleet.TeamID]bool // teams to look at; guarded by mu
}

// New returns a Service, which delivers nothing before Run.
func New(config Config) *Service {
	every := sweepEvery
	if config.Leads == nil {
		config.Leads = func() bool { return true }
	} else {
		every = sweepShared
	}
	return &Service{
		config: config, sweepEvery: every, rates: newRates(), counters: newCounters(), tests: limit.New[fleet.TeamID](5, 10*time.Second, 1000), invitations: limit.New[fleet.TeamID](50, time.Minute, 1000),
		pauses: nightlong, gathering: gathering,
		wake: make(chan struct{}, 1), woken: make(map[fleet.TeamID]bool),
	}
}

// Wake makes the worker look at a team soon. It never blocks.
func (s *Service) Wake(team fleet.TeamID) {
	s.mu.Lock()
	s.woken[team] = true
	s.mu.Unlock()
	s.nudge()
}

func (s *Service) nudge() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Ended counts an update that ended, at whichever server, for the alert that too many fail. It never blocks.
func (s *Service) Ended(team fleet.TeamID, product fleet.ProductID, state fleet.UpdateState) {
	if s.rates.ended(team, product, state, time.Now(), s.config.Leads()) {
		s.nudge()
	}
}

// teamOf is what the outbox has of a team's channels.
type teamOf struct {
	channels map[string]Channel // by id
	texts    map[string]string  // as they are stored, by id
	settings Settings
}

// settingsName is where settings are stored among channels.
const settingsName = "settings"

func (s *Service) team(ctx context.Context, team fleet.TeamID) (t teamOf, err error) {
	texts, err := s.config.Outbox.Channels(ctx, team)
	t = teamOf{channels: map[string]Channel{}, texts: texts, settings: defaults}
	for id, text := range texts {
		if id == settingsName {
			if t.settings, err = decoded[Settings](text); err != nil {
				return t, err
			}
			continue
		}
		if t.channels[id], err = decoded[Channel](text); err != nil {
			return t, err
		}
	}
	if err == nil {
		s.rates.set(team, t.settings)
	}
	return t, err
}

// records returns the notifications of ids, in their order, without those that are gone, and the
// texts as which they are stored.
func (s *Service) records(ctx context.Context, team fleet.TeamID, ids []string) (all []*Notification, texts map[string]string, err error) {
	stored, err := s.config.Outbox.Records(ctx, team, ids)
	texts = map[string]string{}
	for i, text := range stored {
		if text == "" {
			continue
		}
		n, err := decoded[Notification](text)
		if err != nil {
			return nil, nil, err
		}
		texts[ids[i]] = text
		all = append(all, &n)
	}
	return all, texts, err
}

// record is n to store; before is the text that is stored, "" for none.
func record(n *Notification, before string) outbox.Record {
	return outbox.Record{ID: n.ID, Before: before, Text: encoded(n), Created: n.Created, Due: n.Due}
}
