package history

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/index"
	"github.com/muster-iot/muster/steady"
	"github.com/muster-iot/muster/store"
	"github.com/muster-iot/muster/store/timeline"
)

const (
	every  = 10 * time.Second // between two samples of a product
	idle   = time.Minute      // the same, while nothing changes
	search = time.Minute      // for new products, where there are many
	many   = 256              // products

	groupsEvery = time.Minute // between two samples of a group
	maxGroups   = 64          // of a product that have a past

	patient = 2 * time.Second // for the last samples of a process
)

// Config is what a History works with.
type Config struct {
	Timelines *timeline.Timelines
	Catalogs  *store.Catalogs
	Teams     *store.Teams
	Index     *index.Index
	Clock     *steady.Clock // that of the store
	Log       *slog.Logger

	// Leads reports whether this server samples fleets for all that share the store; nil: it is the only
	// one. The others add what they have counted.
	Leads func() bool
	// Tally returns what this process has counted of a product; if
	// group is not 0: of its devices in that group.
	Tally func(product fleet.ProductID, group fleet.GroupID) fleet.Tally
}

// History samples fleets and answers about their past. It is safe for concurrent use.
type History struct {
	Config

	writer string // names this process in timelines

	sampling chan struct{} // has a place for the one who samples
	searched time.Time     // theirs

	mu     sync.Mutex
	tracks map[timeline.Line]*track // guarded by mu; most of what they point to belongs to the one who samples
	stands map[curve][]stand        // of releases, to be kept; guarded by mu
}

// New returns a History, which samples while Run does.
func New(config Config) *History {
	if config.Leads == nil {
		config.Leads = func() bool { return true }
	}
	return &History{
		Config: config, writer: rand.Text()[:12], sampling: make(chan struct{}, 1),
		tracks: make(map[timeline.Line]*track), stands: make(map[curve][]stand),
	}
}

// Run samples all products until ctx ends.
func (h *History) Run(ctx context.Context) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		h.sample(ctx, false)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Record samples once more, before the process ends.
func (h *History) Record(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, patient)
	defer cancel()
	h.sample(ctx, true)
}

// sample samples all products; last: also groups that are not due yet.
func (h *History) sample(ctx context.Context, last bool) {
	select {
	case h.sampling <- struct{}{}:
	case <-ctx.Done():
		return
	}
	defer func() { <-h.sampling }()
	if err := h.find(ctx); err != nil && ctx.Err() == nil {
		h.Log.Debug("no products to sample", "err", err)
	}
	for _, t := range h.followed() {
		err := h.add(ctx, t, last)
		if errors.Is(err, fleet.NotFound) {
			h.forget(ctx, t)
		} else if err != nil && ctx.Err() == nil {
			h.Log.Debug("no sample", "product", t.line.Product, "err", err)
		}
	}
	h.keep(ctx)
}

// find looks for products that are not sampled yet.
func (h *History) find(ctx context.Context) error {
	if n := len(h.followed()); n >= many && time.Since(h.searched) < search {
		return nil
	}
	h.searched = time.Now()
	teams, err := h.Teams.AllTeams(ctx)
	if err != nil {
		return err
	}
	for _, team := range teams {
		products, err := h.Catalogs.Products(ctx, team)
		if err != nil && !errors.Is(err, fleet.NotFound) {
			return err
		}
		for _, p := range products {
			h.follow(p.ID)
		}
	}
	return nil
}

func (h *History) follow(product fleet.ProductID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if line := (timeline.Line{Product: product}); h.tracks[line] == nil {
		h.tracks[line] = &track{line: line}
	}
}

// followed returns the tracks of products.
func (h *History) followed() (products []*track) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for line, t := range h.tracks {
		if line.Group == 0 {
			products = append(products, t)
		}
	}
	slices.SortFunc(products, func(a, b *track) int { return cmp.Compare(a.line.Product, b.line.Product) })
	return products
}

// forget drops what is kept of a product that was deleted, also what was added meanwhile.
func (h *History) forget(ctx context.Context, t *track) {
	if err := h.Timelines.Drop(ctx, t.line.Product, slices.Collect(maps.Keys(t.releases))); err != nil {
		return // again at the next sample
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	maps.DeleteFunc(h.tracks, func(line timeline.Line, _ *track) bool { return line.Product == t.line.Product })
}
