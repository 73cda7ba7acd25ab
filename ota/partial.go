package ota

import (
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

// order is the last Offer or Stop that went to a device over its present link.
type order struct {
	link    Link
	session uint64
	image   fleet.Image // that was offered; zero: a Stop
	at      time.Time
	late    bool // it went out after the answer to the device's last Hello, or with it
}

// noteOrder records that an Offer of image, or with the zero Image a Stop, goes out over link.
// The caller holds mu.
func (s *Service) noteOrder(id fleet.DeviceID, link Link, session uint64, image fleet.Image) {
	s.orders[id] = order{link: link, session: session, image: image, at: time.Now(), late: true}
}

// noteHello records that a Hello was answered: what it reports as held is newer than the
// orders before. The caller holds mu.
func (s *Service) noteHello(id fleet.DeviceID) {
	if last, ok := s.orders[id]; ok {
		last.late = false
		s.orders[id] = last
	}
}

// partial is the partial download that the device's last Hello reported, nil if the device may
// have dropped it since: an Offer of another image makes it do so, a Stop lets it, and so does
// the end of the update that used it.
func (x *decision) partial() *wire.Partial {
	x.mu.Lock()
	defer x.mu.Unlock()
	held := x.hello.Partial
	last, ok := x.orders[x.device.ID]
	if held == nil || !ok || last.session != x.device.Session {
		return held
	}
	crossed := last.image != held.Image && last.image != (fleet.Image{}) // the Hello was sent before the Offer arrived
	if last.image == (fleet.Image{}) {
		crossed = x.now.Sub(last.at) < wire.ChunkTimeout
	}
	if crossed || x.at != AtHello && last.late {
		return nil
	}
	return held
}
