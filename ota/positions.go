package ota

import "github.com/muster-iot/muster/fleet"

// Position is the offset in bytes up to which the device has the image of its running
// download, by its last Want; ok is false when none runs here.
func (s *Service) Position(id fleet.DeviceID) (bytes int64, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	dl := s.running[id]
	if dl == nil {
		return 0, false
	}
	return dl.position(), true
}

func (dl *download) position() int64 {
	return min(int64(dl.first)*int64(dl.source.Chunk), dl.source.Size)
}

// Positions returns the downloads of a team's devices that run here, each as Position does.
func (s *Service) Positions(team fleet.TeamID) map[fleet.DeviceID]int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	positions := map[fleet.DeviceID]int64{}
	for id, dl := range s.running {
		if dl.team == team {
			positions[id] = dl.position()
		}
	}
	return positions
}

// Transfers reports whether an image is on its way over the connection of a device: its own, or that of a
// device behind it.
func (s *Service) Transfers(id fleet.DeviceID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	dl := s.running[id]
	return dl != nil && !dl.stored || s.slots.behind[id] > 0
}

// Downloading returns the devices that download an image of product.
func (s *Service) Downloading(product fleet.ProductID) []fleet.DeviceID {
	s.mu.Lock()
	defer s.mu.Unlock()
	var ids []fleet.DeviceID
	for id, dl := range s.running {
		if dl.source.Product == product {
			ids = append(ids, id)
		}
	}
	return ids
}
