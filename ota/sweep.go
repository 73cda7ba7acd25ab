package ota

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

const (
	sweepInterval = time.Second
	// reserved is how long a slot is kept for a device between Decide and Start.
	reserved = 30 * time.Second
)

// Run ends stalled downloads until ctx is done. After wire.SlotTimeout without a Want, a
// Report or a chunk that went out, a download loses its slot; after wire.UpdateTimeout its
// update ends with reason 13, at no cost, and so does the update to an image that can't be
// read for wire.SlotTimeout. A download that hardly moves, or whose team has more than its share of
// slots, gives way to one that waits. Run also writes down whole transfers that were not followed by
// *stored*. What fails is logged and tried again.
func (s *Service) Run(ctx context.Context, log *slog.Logger) {
	tick := time.NewTicker(sweepInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			s.sweep(ctx, log)
		}
	}
}

func (s *Service) sweep(ctx context.Context, log *slog.Logger) {
	s.reportUnreadable(ctx, log)
	s.resumeReadable(ctx)
	now := time.Now()
	stalled, dead, whole := s.look(now)
	for _, id := range stalled {
		s.leave(id)
	}
	for _, id := range s.overdue(now) {
		s.giveWay(id)
	}
	for _, dl := range dead {
		s.logged(log, dl, s.timeOut(ctx, dl, now))
	}
	for _, dl := range whole {
		s.logged(log, dl, s.countTransfers(ctx, dl))
	}
}

// overdue finds the devices that keep a slot from others.
func (s *Service) overdue(now time.Time) []fleet.DeviceID {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.slots.overdue(now, func(id fleet.DeviceID) (int64, bool) {
		dl := s.running[id]
		if dl == nil || dl.stalled || dl.stored {
			return 0, false
		}
		return dl.source.Sent(), true
	})
}

func (s *Service) logged(log *slog.Logger, dl *download, err error) {
	if err != nil && !errors.Is(err, fleet.NotFound) && !errors.Is(err, context.Canceled) && !errors.Is(err, fleet.Unavailable) { // the store logs once that it can't be used
		log.Warn("a stalled update could not be ended", "device", dl.device.String(), "err", err)
	}
}

// look finds the devices whose slot is idle, the downloads that are dead and those with whole
// transfers that are not in the record yet.
func (s *Service) look(now time.Time) (stalled []fleet.DeviceID, dead, whole []*download) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, dl := range s.running {
		switch idle := now.Sub(dl.lastLife()); {
		case dl.stored:
		case idle >= wire.UpdateTimeout || s.chunker.Unreadable(dl.source.Digest, now):
			dead = append(dead, dl)
		case idle >= wire.SlotTimeout && !dl.stalled:
			dl.stall()
			stalled = append(stalled, id)
		case dl.transfers.unsaved > 0:
			whole = append(whole, dl)
		}
	}
	for id, h := range s.slots.holders {
		if dl := s.running[id]; (dl == nil || dl.stalled || dl.stored) && now.Sub(h.since) >= reserved {
			stalled = append(stalled, id)
		}
	}
	return stalled, dead, whole
}

// lastLife is the time of the last Want, Report or chunk: while bytes go out the device is
// alive, however slow its link.
func (dl *download) lastLife() time.Time {
	if sent := dl.source.LastSent(); sent.After(dl.asked) {
		return sent
	}
	return dl.asked
}

// timeOut ends the update of a download that shows no sign of life.
func (s *Service) timeOut(ctx context.Context, dl *download, now time.Time) error {
	d, ended, err := s.devices.Change(ctx, dl.device, func(d *fleet.Device) (ended []fleet.Update, changed bool, err error) {
		if d.Update.ID != dl.update || d.Update.State != fleet.Offered && d.Update.State != fleet.Downloading {
			return nil, false, nil
		}
		s.rules.fail(d, wire.ReasonTimedOut, now)
		return []fleet.Update{d.Update}, true, nil
	})
	if err != nil {
		return err
	}
	s.halt(dl.device, only(dl), wire.ReasonTimedOut)
	if ended {
		s.ended(d)
	}
	return nil
}

// ended counts and reports that d's update failed.
func (s *Service) ended(d fleet.Device) {
	s.counts.ended[fleet.Failed].Add(1)
	s.cfg.Ended(d)
}
