// Package history keeps what the fleets of products ran over time, for charts. It is kept in
// memory and begins when a product is first looked at.
package history

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/muster-iot/muster/fleet"
)

const (
	sampleEvery = 5 * time.Second
	checkEvery  = time.Second // for products whose next sample is due
	maxSamples  = 720         // of a product; then every other one is dropped and the interval doubles
	maxProducts = 256         // with a history; further ones have no chart
)

// Names used in place of a version in Sample.Devices. No version has such a name.
const (
	Unknown = "version unknown"   // the device never reported one
	Foreign = "not uploaded here" // the product has no such version
)

// Sample is what a fleet ran at one time.
type Sample struct {
	At         time.Time
	Online     int            // devices
	Devices    map[string]int // by version, Unknown and Foreign
	Handshakes uint64         // since the process began
}

// Source takes a sample of a product's fleet now.
type Source func(ctx context.Context, product fleet.Product) (Sample, error)

// History is the past of up to maxProducts fleets. It is safe for concurrent use.
type History struct {
	take Source
	log  *slog.Logger

	mu       sync.Mutex
	products map[fleet.ProductID]*track // guarded by mu
}

// New returns an empty history that samples from take.
func New(take Source, log *slog.Logger) *History {
	return &History{take: take, log: log, products: make(map[fleet.ProductID]*track)}
}

// Watch samples the products that are followed until ctx is done, so that their charts have no
// gap while nobody looks. Products that were deleted are forgotten.
func (h *History) Watch(ctx context.Context) {
	ticker := time.NewTicker(checkEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			for _, p := range h.followed() {
				err := h.Sample(ctx, p)
				if errors.Is(err, fleet.NotFound) {
					h.forget(p.ID)
				}
				if err != nil {
					h.log.Debug("console: no sample", "product", p.Slug, "err", err)
				}
			}
		}
	}
}

// Follow makes the product one that is sampled from now on, if there is room for it.
func (h *History) Follow(product fleet.Product) {
	h.mu.Lock()
	defer h.mu.Unlock()
	t := h.products[product.ID]
	switch {
	case t != nil:
		t.product = product
	case len(h.products) < maxProducts:
		h.products[product.ID] = &track{product: product, interval: sampleEvery}
	}
}

// Sample samples a followed product now, unless its last sample is fresh.
func (h *History) Sample(ctx context.Context, product fleet.Product) error {
	if !h.due(product) {
		return nil
	}
	s, err := h.take(ctx, product)
	if err != nil {
		return err
	}
	h.add(product.ID, s)
	return nil
}

// Since returns when a product's history begins, the zero Time before there is any.
func (h *History) Since(product fleet.ProductID) time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	if t := h.products[product]; t != nil {
		return t.began
	}
	return time.Time{}
}

// Series returns a product's history; it has no times when nothing is known.
func (h *History) Series(product fleet.ProductID) Series {
	h.mu.Lock()
	defer h.mu.Unlock()
	t := h.products[product]
	if t == nil {
		return Series{}
	}
	return t.series()
}

func (h *History) forget(product fleet.ProductID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.products, product)
}

func (h *History) followed() (all []fleet.Product) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, t := range h.products {
		all = append(all, t.product)
	}
	return all
}

// due reports whether a followed product's last sample is old enough for another.
func (h *History) due(product fleet.Product) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	t := h.products[product.ID]
	if t == nil {
		return false
	}
	return len(t.samples) == 0 || time.Since(t.samples[len(t.samples)-1].At) > t.interval*9/10
}

// add adds a sample, unless the product was forgotten meanwhile.
func (h *History) add(product fleet.ProductID, s Sample) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if t := h.products[product]; t != nil {
		t.add(s)
	}
}
