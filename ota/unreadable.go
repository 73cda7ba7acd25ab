package ota

import (
	"context"
	"log/slog"
	"time"

	"github.com/muster-iot/muster/fleet"
)

// Unreadable reports whether the image with this digest can't be read, when that was last tried.
// No update to it starts until it can.
func (s *Service) Unreadable(digest fleet.Digest) bool { return s.chunker.Failing(digest, time.Now()) }

// await records that a device was refused because its image can't be read. Beyond
// Config.MaxWaiting devices it does nothing: they come back by themselves.
func (s *Service) await(id fleet.DeviceID, digest fleet.Digest) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.awaiting) < s.cfg.MaxWaiting {
		s.awaiting[id] = digest
	}
}

// reportUnreadable reports images that can't be read, each once, soon after the first failed read.
func (s *Service) reportUnreadable(ctx context.Context, log *slog.Logger) {
	causes := make(map[fleet.DeviceID]error)
	s.mu.Lock()
	for id, dl := range s.running {
		if cause := s.chunker.Cause(dl.source.Digest); cause != nil {
			causes[id] = cause
		}
	}
	s.mu.Unlock()
	for id, cause := range causes {
		d, err := s.devices.Device(ctx, id)
		if err != nil {
			log.Error("an image can't be read", "device", id.String(), "err", cause)
			continue
		}
		s.cfg.Unreadable(d, cause)
	}
}

// resumeReadable continues what waits for images that can be read again.
func (s *Service) resumeReadable(ctx context.Context) {
	for _, digest := range s.chunker.Recovered(ctx) {
		var ready []fleet.DeviceID
		s.mu.Lock()
		for _, dl := range s.running {
			if dl.source.Digest == digest && !dl.stalled && !dl.stored && dl.first < dl.source.Count {
				dl.send(dl.first, min(max(dl.count, dl.window), dl.source.Count-dl.first))
			}
		}
		for id, awaited := range s.awaiting {
			if awaited == digest {
				delete(s.awaiting, id)
				ready = append(ready, id)
			}
		}
		s.mu.Unlock()
		for _, id := range ready {
			s.cfg.Ready(id)
		}
	}
}
