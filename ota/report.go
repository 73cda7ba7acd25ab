package ota

import (
	"context"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

// News is what a Report changed.
type News struct {
	Device  fleet.Device  // as saved; the zero Device when nothing changed
	Changed bool          // the record changed
	Ended   *fleet.Update // the update this ended, nil when none
	Again   bool          // the device takes updates again: decide again (AtChange)
}

// Report writes p, which device id sent in the session of that generation, into the
// device's record; when it returns without an error, that is durable. A report without news
// is ignored, and so, counted, is one of another image or update than the running one.
// Errors: fleet.Conflict when the device has a newer session, fleet.NotFound, fleet.Busy
// when the record changes too often, fleet.Unavailable from the store.
func (s *Service) Report(ctx context.Context, id fleet.DeviceID, session uint64, p wire.Report) (News, error) {
	chunk := s.heard(id)
	var news News
	var update fleet.UpdateID
	d, changed, err := s.devices.Change(ctx, id, func(d *fleet.Device) (ended []fleet.Update, changed bool, err error) {
		news, update = News{}, d.Update.ID
		if d.Session != session {
			s.counts.staleReports.Add(1)
			return nil, false, fleet.Errorf(fleet.Conflict, "device %s has a newer session", id)
		}
		if on := p.State == wire.ReportUpdatesEnabled; on || p.State == wire.ReportUpdatesDisabled {
			changed = d.UpdatesOn != on
			news.Again = on && changed
			d.UpdatesOn = on
			return nil, changed, nil
		}
		if !d.Update.State.Running() || p.Image != d.Update.Digest.Image() || p.Update != (fleet.UpdateID{}) && p.Update != d.Update.ID {
			s.counts.staleReports.Add(1)
			return nil, false, nil
		}
		changed, over := s.rules.report(d, p, chunk, time.Now())
		if over {
			ended = append(ended, d.Update)
			news.Ended = &ended[0]
		}
		return ended, changed, nil
	})
	if err != nil || !changed {
		return News{}, err
	}
	news.Device, news.Changed = d, true
	if news.Ended != nil {
		s.counts.ended[news.Ended.State].Add(1)
	}
	switch {
	case p.State == wire.ReportUpdatesDisabled && !d.Force:
		s.drop(id, whichever) // the update itself continues when updates are enabled
	case p.State == wire.ReportStored:
		s.keep(id, update)
	case p.State == wire.ReportApplying, p.State == wire.ReportFailed:
		s.dropUpdate(id, update)
	}
	return news, nil
}

// heard records a sign of life of id's download and returns the size of the chunks that a
// position in a Report counts, 0 when none runs. While a device asks for smaller chunks than it
// was offered, its position may count either: the smaller never claims too much.
func (s *Service) heard(id fleet.DeviceID) (chunk uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	dl := s.running[id]
	if dl == nil {
		return 0
	}
	dl.asked = time.Now()
	return min(dl.offered, dl.source.Chunk)
}

// keep frees the slot of id's download, which is complete; its link is kept, for a Stop.
func (s *Service) keep(id fleet.DeviceID, update fleet.UpdateID) {
	s.mu.Lock()
	dl := s.running[id]
	if dl != nil && dl.update == update {
		dl.stored, dl.count = true, 0
		dl.link.StopChunks()
	}
	s.mu.Unlock()
	s.leave(id)
}

// dropUpdate drops id's download if it is still of that update.
func (s *Service) dropUpdate(id fleet.DeviceID, update fleet.UpdateID) {
	s.drop(id, func(dl *download) bool { return dl != nil && dl.update == update })
}
