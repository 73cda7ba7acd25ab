package console

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/muster-iot/muster/fleet"
)

const (
	sampleEvery = 5 * time.Second
	lookEvery   = time.Second // for products whose next sample is due
	maxSamples  = 720         // when they are full, every other one goes and the interval doubles
	maxProducts = 256         // with a past; further ones have no chart
)

// past is what fleets ran since the process began, for charts: kept in memory.
type past struct {
	mu       sync.Mutex
	products map[fleet.ProductID]*track // guarded by mu
}

// track is one product's past.
type track struct {
	product  fleet.Product
	interval time.Duration
	began    time.Time // of the first sample, which may be thinned out by now
	samples  []moment
	colors   map[string]int // by version, in the order of their first appearance: a version keeps its colour
}

// moment is what the fleet ran at one time.
type moment struct {
	at     time.Time
	online int
	runs   map[string]int // devices by version, silent and foreign ones
	hellos uint64         // handshakes since the process began
}

// Words in the place of a version, which can't be one.
const (
	silent  = "not heard of yet"
	foreign = "not uploaded here" // a version that is not one of the product's
)

func newPast() *past { return &past{products: make(map[fleet.ProductID]*track)} }

// Watch samples the products that were looked at until ctx is done, so that their charts
// have no gap while nobody looks.
func (c *Console) Watch(ctx context.Context) {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			for _, p := range c.past.watched() {
				err := c.sample(ctx, p)
				if errors.Is(err, fleet.NotFound) {
					c.past.forget(p.ID) // it was deleted
				}
				if err != nil {
					c.log.Debug("console: no sample", "product", p.Slug, "err", err)
				}
			}
		}
	}
}

// sample adds how things stand, unless the last sample is fresh. It looks with the eyes of
// an owner of the product's team, which is what charts show; who may see them is asked
// where they are shown.
func (c *Console) sample(ctx context.Context, p fleet.Product) error {
	if !c.past.due(p) {
		return nil
	}
	eyes := fleet.Actor{Team: p.Team, Role: fleet.Owner}
	released, err := c.ota.Firmware(ctx, eyes, p.ID)
	if err != nil {
		return err
	}
	yes, q := true, fleet.DeviceQuery{Actor: eyes, Product: p.ID, Limit: 1}
	all, err := c.registry.Devices(ctx, eyes, q)
	if err != nil {
		return err
	}
	q.Online = &yes
	online, err := c.registry.Devices(ctx, eyes, q)
	if err != nil {
		return err
	}
	q.Online, q.NoVersion = nil, true
	unheard, err := c.registry.Devices(ctx, eyes, q)
	if err != nil {
		return err
	}
	m := moment{at: time.Now(), online: online.Total, runs: map[string]int{silent: unheard.Total, foreign: all.Total - unheard.Total}, hellos: c.live.Tally(p.ID).Handshakes}
	for _, f := range released {
		if f.Devices > 0 {
			m.runs[f.Version.String()] = f.Devices
			m.runs[foreign] -= f.Devices
		}
	}
	m.runs[foreign] = max(0, m.runs[foreign]) // a device may have spoken up in between
	c.past.add(p.ID, m)
	return nil
}

// remember makes the product one that is watched from now on.
func (p *past) remember(product fleet.Product) {
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.products[product.ID]
	switch {
	case t != nil:
		t.product = product
	case len(p.products) < maxProducts:
		p.products[product.ID] = &track{product: product, interval: sampleEvery}
	}
}

// forget ends the watch over a product and drops its past.
func (p *past) forget(product fleet.ProductID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.products, product)
}

// due reports whether it is time for a sample of a product that is watched.
func (p *past) due(product fleet.Product) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.products[product.ID]
	if t == nil {
		return false
	}
	return len(t.samples) == 0 || time.Since(t.samples[len(t.samples)-1].at) > t.interval*9/10
}

// add adds to the past of a product that is watched still.
func (p *past) add(product fleet.ProductID, m moment) {
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.products[product]
	if t == nil {
		return
	}
	if t.samples = append(t.samples, m); t.began.IsZero() {
		t.began = m.at
	}
	t.color(m)
	if len(t.samples) < maxSamples {
		return
	}
	kept := t.samples[:0]
	for i, s := range t.samples {
		if i%2 == 1 {
			kept = append(kept, s)
		}
	}
	t.samples, t.interval = kept, 2*t.interval
}

// color gives each version that is new in m the next colour, the lowest first.
func (t *track) color(m moment) {
	if t.colors == nil {
		t.colors = make(map[string]int)
	}
	for _, version := range slices.SortedFunc(maps.Keys(m.runs), func(a, b string) int { return -highest(a, b) }) {
		if _, known := t.colors[version]; !known && m.runs[version] > 0 && version != silent && version != foreign {
			t.colors[version] = len(t.colors)
		}
	}
}

// highest orders versions, what is none of them at the end.
func highest(a, b string) int {
	return cmp.Or(-fleet.ReportedVersion(a).Compare(fleet.ReportedVersion(b)), cmp.Compare(a, b))
}

// began is when a product's past begins, the zero Time before there is any.
func (p *past) began(product fleet.ProductID) time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	if t := p.products[product]; t != nil {
		return t.began
	}
	return time.Time{}
}

func (p *past) watched() (all []fleet.Product) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, t := range p.products {
		all = append(all, t.product)
	}
	return all
}

// series is a product's past as charts take it: a row of times in Unix seconds, and a row
// of numbers of devices for each version.
type series struct {
	Times    []int64   `json:"times"`
	Online   []int     `json:"online"`
	Versions []string  `json:"versions"` // highest first, then what is in the place of one
	Colors   []int     `json:"colors"`   // by version: a number that stays its own; -1 for what is no version
	Runs     [][]int   `json:"runs"`     // by version, then by time
	Rates    []float64 `json:"rates"`    // handshakes per second since the time before; the first is 0
}

func (p *past) series(product fleet.ProductID) (s series) {
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.products[product]
	if t == nil {
		return s
	}
	for _, m := range t.samples {
		for version, n := range m.runs {
			if n > 0 && !slices.Contains(s.Versions, version) {
				s.Versions = append(s.Versions, version)
			}
		}
	}
	slices.SortFunc(s.Versions, highest)
	for _, version := range s.Versions {
		color, ok := t.colors[version]
		if !ok {
			color = -1
		}
		s.Colors = append(s.Colors, color)
	}
	s.Runs = make([][]int, len(s.Versions))
	for at, m := range t.samples {
		s.Times, s.Online = append(s.Times, m.at.Unix()), append(s.Online, m.online)
		s.Rates = append(s.Rates, t.rate(at))
		for i, version := range s.Versions {
			s.Runs[i] = append(s.Runs[i], m.runs[version])
		}
	}
	return s
}

// rate is the handshakes per second between a sample and the one before.
func (t *track) rate(at int) float64 {
	if at == 0 {
		return 0
	}
	now, before := t.samples[at], t.samples[at-1]
	return float64(now.hellos-before.hellos) / max(now.at.Sub(before.at), time.Second).Seconds()
}
