package ota

import (
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/ota/pace"
)

// send has the link send a range of chunks, in place of what is queued, unless dl is held. The
// caller holds Service.mu.
func (dl *download) send(first, count uint32) {
	if !dl.held {
		dl.link.SendChunks(dl.source, first, count)
	}
}

// Hold stops, at once, the chunks of the downloads that follow a release of product, because it was
// halted by the catalog with this revision. Each download ends, or continues, when its device is
// re-evaluated, which the caller has to see to. It never blocks.
func (s *Service) Hold(product fleet.ProductID, release fleet.ReleaseID, revision uint64) {
	k := pace.Key{Product: product, Release: release}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.holds[k] = max(s.holds[k], revision)
	for _, dl := range s.running {
		if dl.release == k && !dl.held {
			dl.held = true
			dl.link.StopChunks()
		}
	}
}

// unhold lets the download of a plan that leaves it as it is continue, if it was held before the plan was
// made.
func (s *Service) unhold(p Plan) {
	s.mu.Lock()
	defer s.mu.Unlock()
	dl := s.running[p.Device]
	if dl == nil || !dl.held || p.revision < s.holds[dl.release] {
		return
	}
	dl.held, dl.asked = false, time.Now()
	if !dl.stored && !dl.stalled {
		dl.send(dl.first, max(dl.count, dl.window))
	}
}
