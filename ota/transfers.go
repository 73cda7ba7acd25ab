package ota

import (
	"context"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/ota/image"
	"github.com/muster-iot/muster/wire"
)

// transfers counts how often one download sent its whole image without a report of *stored*.
// One counts once the device itself asks again, over the same link, for what it was sent, and
// had wire.SlotTimeout to report *stored*. A link or a server that ends before costs nothing,
// whatever the size of the image (docs/rules.md, "When it happens", 8).
type transfers struct {
	start   int64     // offset in bytes from which the Offer sent
	began   time.Time // the transfer that is not counted yet
	counted int64     // bytes that had gone out when the last one was counted
	total   int       // counted so far
	unsaved int       // of them, those that are not in the device's record
}

func (t *transfers) begin(start int64, now time.Time) { t.start, t.began = start, now }

// asked notes that the device asks for the image from offset from on.
func (t *transfers) asked(from int64, src *image.Source, now time.Time) {
	sent := src.Sent()
	if from > t.start || sent-t.counted < src.Size || now.Sub(t.began) < wire.SlotTimeout {
		return
	}
	t.began, t.counted = now, sent
	t.total++
	t.unsaved++
}

// countTransfers writes whole transfers that were counted into the record. Three of them end
// the update and cost an attempt.
func (s *Service) countTransfers(ctx context.Context, dl *download) error {
	s.mu.Lock()
	total, more := dl.transfers.total, dl.transfers.unsaved
	dl.transfers.unsaved = 0
	s.mu.Unlock()
	d, saved, err := s.devices.Change(ctx, dl.device, func(d *fleet.Device) (ended []fleet.Update, changed bool, err error) {
		if d.Update.ID != dl.update || d.Update.State != fleet.Offered && d.Update.State != fleet.Downloading {
			return nil, false, nil
		}
		if s.rules.transferred(d, more, total, time.Now()) {
			ended = append(ended, d.Update)
		}
		return ended, true, nil
	})
	if err != nil {
		s.mu.Lock()
		dl.transfers.unsaved += more
		s.mu.Unlock()
		return err
	}
	if saved && d.Update.State.Over() {
		s.halt(dl.device, only(dl), d.Update.Reason)
		s.ended(d)
	}
	return nil
}
