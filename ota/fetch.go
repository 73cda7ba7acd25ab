package ota

import (
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

// Fetch makes w the range that gateway's link sends next, on the gateway's own topics, if
// one of children, the devices attached to it now, is being updated to w's image; it
// reports whether that is so, and does nothing otherwise. It keeps the children's downloads
// of that image alive. A gateway has one range under way: a later Want replaces it, also one
// of its own update. It never blocks (docs/gateways.md).
func (s *Service) Fetch(gateway fleet.DeviceID, children []fleet.DeviceID, w wire.Want, link Link) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if own := s.running[gateway]; own != nil && own.source.Digest.Image() == w.Image {
		return false // its own update comes first
	}
	var served *download
	for _, id := range children {
		if dl := s.running[id]; dl != nil && dl.gateway == gateway && dl.source.Digest.Image() == w.Image {
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
	if src == nil || src.Digest != served.source.Digest || src.Chunk != chunk {
		src = s.chunker.Source(served.source.Product, served.source.Digest, served.source.Size, chunk)
		s.fetches[gateway] = src
	}
	if w.First >= src.Count {
		s.counts.badWants.Add(1)
		return true
	}
	link.SendChunks(src, w.First, min(w.Count, src.Count-w.First))
	return true
}
