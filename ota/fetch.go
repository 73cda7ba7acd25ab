package ota

import (
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

// Fetch queues the chunks that w asks for on gateway's link, on the gateway's own topics, where
// w is of an image that one of children, the devices it carries now, is being updated to;
// it reports whether that is so, and does nothing otherwise. The children's downloads of
// that image count as alive thereby. A gateway has one range under way: a later Want
// replaces it, also one of its own update. It never blocks (docs/gateways.md).
func (s *Service) Fetch(gateway fleet.DeviceID, children []fleet.DeviceID, w wire.Want, link Link) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if own := s.running[gateway]; own != nil && own.source.digest.Image() == w.Image {
		return false // its own update comes first
	}
	var served *download
	for _, id := range children {
		if dl := s.running[id]; dl != nil && dl.gateway == gateway && dl.source.digest.Image() == w.Image {
			served, dl.asked = dl, time.Now()
		}
	}
	if served == nil {
		return false
	}
	s.counts.wants.Add(1)
	chunk := w.Chunk
	if chunk == 0 {
		chunk = served.offered
	}
	src := s.fetches[gateway]
	if src == nil || src.digest != served.source.digest || src.chunk != chunk {
		src = s.source(served.source.product, served.source.digest, served.source.size, chunk)
		s.fetches[gateway] = src
	}
	if w.First >= src.count {
		s.counts.badWants.Add(1)
		return true
	}
	link.SendChunks(src, w.First, min(w.Count, src.count-w.First))
	return true
}
