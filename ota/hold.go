package ota

import (
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/ota/pace"
)

// send has the link send a range of chunks, in place of what is queued or behind it; as long as dl is
// held or has no slot, it is kept. The caller holds Service.mu, as for the functions below.
func (dl *download) send(first, count uint32) {
	switch {
	case count == 0:
	case dl.held || dl.stalled:
		dl.link.KeepChunks(dl.source, first, count)
	default:
		dl.link.SendChunks(dl.source, first, count)
	}
}

// stall pauses a download that has lost its slot.
func (dl *download) stall() {
	dl.stalled = true
	dl.link.KeepChunks(dl.source, 0, 0)
}

// resume continues a download after the last chunk that was sent.
func (dl *download) resume() {
	if !dl.held && !dl.stalled {
		dl.link.ResumeChunks()
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
			dl.link.KeepChunks(dl.source, 0, 0)
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
	dl.resume()
}
