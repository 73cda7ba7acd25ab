package rollout

import (
	"maps"
	"slices"
	"time"

	"github.com/muster-iot/muster/fleet"
)

const (
	manyHandshakes = 3         // in signsLast; more are a sign of trouble
	signsLast      = time.Hour // how long handshakes are counted together
	maxSigns       = 200_000   // devices of a product whose handshakes are counted
)

// health is what devices of a product have shown since their release with a bar for unhealthy
// devices is watched by this process.
type health struct {
	signs   map[fleet.DeviceID]*signs
	cleaned time.Time
}

// signs are one device's.
type signs struct {
	since      time.Time // of handshakes
	handshakes int
	confirmed  time.Time // its last update; zero: not since it is watched
	trouble    time.Time // its last sign of trouble
}

// Handshake counts a handshake of a device of product; confirmed: it confirmed an update. It
// never blocks.
func (s *Service) Handshake(product fleet.ProductID, device fleet.DeviceID, confirmed bool) {
	s.sign(product, device, func(g *signs, now time.Time) {
		if confirmed { // what the update itself took does not count
			*g = signs{since: now, confirmed: now}
			return
		}
		if now.Sub(g.since) > signsLast {
			g.since, g.handshakes = now, 0
		}
		if g.handshakes++; g.handshakes > manyHandshakes {
			g.trouble = now
		}
	})
}

// Alert counts an alert that a device raised. It never blocks.
func (s *Service) Alert(device fleet.DeviceID) {
	if !s.listening.Load() {
		return
	}
	if e, err := s.index.Entry(device); err == nil {
		s.sign(e.Product, device, func(g *signs, now time.Time) { g.trouble = now })
	}
}

func (s *Service) sign(product fleet.ProductID, device fleet.DeviceID, change func(*signs, time.Time)) {
	if !s.listening.Load() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.health[product]
	if h == nil {
		return
	}
	g := h.signs[device]
	if g == nil {
		if len(h.signs) >= maxSigns {
			return
		}
		g = &signs{since: time.Now()}
		h.signs[device] = g
	}
	change(g, time.Now())
}

// Judged returns the products with releases under way that have a bar for unhealthy devices.
func (s *Service) Judged() []fleet.ProductID {
	if !s.listening.Load() {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Keys(s.health))
}

// listen begins or ends the watch over the health of c's devices.
func (s *Service) listen(c *fleet.Catalog, now time.Time) {
	longest := time.Duration(0)
	for _, r := range c.Staged {
		if r.Plan.Halt.Unhealthy != (fleet.Bar{}) {
			longest = max(longest, r.Plan.Halt.Soak)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	defer func() { s.listening.Store(len(s.health) > 0) }()
	h := s.health[c.Product.ID]
	switch {
	case longest == 0:
		delete(s.health, c.Product.ID)
		return
	case h == nil:
		h = &health{signs: make(map[fleet.DeviceID]*signs), cleaned: now}
		s.health[c.Product.ID] = h
	}
	if now.Sub(h.cleaned) < time.Minute {
		return
	}
	h.cleaned = now
	for id, g := range h.signs {
		if keep := max(longest, signsLast); now.Sub(g.since) > keep && now.Sub(g.confirmed) > keep && now.Sub(g.trouble) > keep {
			delete(h.signs, id)
		}
	}
}

// unhealthy returns how many devices that r updated got into trouble within its soak, less those
// that would have anyway, by what devices of r's target that were not updated show in as long a
// time. n are r's other counts.
func (s *Service) unhealthy(c *fleet.Catalog, r *fleet.Release, n fleet.ReleaseCounts, now time.Time) int {
	soak := r.Plan.Halt.Soak
	if r.Plan.Halt.Unhealthy == (fleet.Bar{}) {
		return 0
	}
	inTrouble := make(map[fleet.DeviceID]bool) // by whether its last update was confirmed within a soak before
	s.mu.Lock()
	if h := s.health[c.Product.ID]; h != nil {
		for id, g := range h.signs {
			if now.Sub(g.trouble) <= soak {
				inTrouble[id] = !g.confirmed.IsZero() && g.trouble.Sub(g.confirmed) <= soak
			}
		}
	}
	s.mu.Unlock()
	var updated []fleet.DeviceID
	others := 0
	for id, soon := range inTrouble {
		e, err := s.index.Entry(id)
		if err != nil || r.Group != 0 && !slices.Contains(e.Groups, r.Group) {
			continue
		}
		switch runs := e.Running.Equal(r.Version); {
		case e.Release == r.ID && e.Update == fleet.Confirmed && runs && soon:
			updated = append(updated, id)
		case e.Release != r.ID && !runs:
			others++
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.watch(key{c.Product.ID, r.ID})
	for _, id := range updated {
		w.sick[id] = true
	}
	if untouched := n.Reach - n.Running - n.Failed - n.Lost - underWayIn(n); untouched > 0 {
		w.usual = min(float64(others)/float64(untouched), 1) // kept when nobody is left to compare with
	}
	return max(0, len(w.sick)-int(w.usual*float64(n.Confirmed)+0.5))
}

func underWayIn(n fleet.ReleaseCounts) (devices int) {
	for _, count := range n.Updating {
		devices += count
	}
	return devices
}
