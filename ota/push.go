package ota

import (
	"fmt"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/ota/image"
	"github.com/muster-iot/muster/ota/pace"
	"github.com/muster-iot/muster/wire"
)

// download is a running transfer to one device over one link. Its fields are guarded by
// Service.mu; the source has a lock of its own.
type download struct {
	device  fleet.DeviceID
	gateway fleet.DeviceID // a BLE device's, else ""
	team    fleet.TeamID
	update  fleet.UpdateID
	link    Link
	session uint64
	source  *image.Source
	offered uint32    // bytes per chunk, as in the Offer
	asked   time.Time // of the Offer or the last Want
	first   uint32    // of the last Want, in chunks of the source
	count   uint32    // of the last Want, 0 before the first
	window  uint32    // chunks pushed with the Offer
	stalled bool      // its slot was freed: no chunks are sent until it has one again
	held    bool      // its release was halted: no chunks are sent until the device is re-evaluated
	stored  bool      // the device holds the whole image: no Want is expected

	release   pace.Key // the release with a plan that it follows, or none
	transfers transfers
}

// Start carries out a plan whose device record was saved: it stops a download that is over,
// or sends the Offer and, from the position up to which the device holds the image, the
// first window of chunks. Nothing is pushed to a device that holds all of it, or that has no
// window. It returns link's error; the caller then ends the connection, and Gone tidies up.
func (s *Service) Start(p Plan, link Link) error {
	for i := range p.Ended {
		s.counts.ended[p.Ended[i].State].Add(1)
	}
	if p.going {
		s.unhold(p)
		return nil
	}
	if p.Offer == nil {
		return s.startNothing(p, link)
	}
	s.cfg.Pace.Began(p.Device)
	o := *p.Offer
	now := time.Now()
	dl := &download{
		device: p.Device, gateway: p.gateway, team: p.team, update: o.Update, link: link, session: p.session, offered: o.Chunk,
		release: pace.Key{Product: p.product, Release: p.release}, asked: now, first: o.First, source: s.chunker.Source(p.product, o.Digest, o.Size, o.Chunk),
	}
	dl.window = min(p.window, o.Count-o.First)
	dl.transfers.begin(int64(o.First)*int64(o.Chunk), now)
	s.mu.Lock()
	if old := s.running[p.Device]; old != nil {
		old.link.StopChunks()
		if old.update == o.Update && old.link == link {
			dl.source.Continue(old.source)
			dl.transfers = old.transfers
			dl.transfers.asked(int64(o.First)*int64(o.Chunk), dl.source, now)
		}
	}
	s.running[p.Device] = dl
	dl.held = p.revision < s.holds[dl.release] // halted since this was decided
	again := dl.held
	dl.stalled = !s.slots.enter(who{p.Device, p.gateway, p.team}, now) // it lost the slot of the plan meanwhile
	s.noteOrder(p.Device, link, p.session, o.Image())
	s.mu.Unlock()
	if again {
		s.cfg.Ready(p.Device)
	}
	s.counts.offers.Add(1)
	if p.repeat {
		s.counts.continued.Add(1)
	}
	if err := link.Send(wire.TopicOffer, o.Encode()); err != nil {
		s.drop(p.Device, only(dl)) // Gone may have come before
		return fmt.Errorf("offer to %s: %w", p.Device, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running[p.Device] == dl {
		dl.send(o.First, dl.window)
	}
	return nil
}

// startNothing carries out a plan without an Offer.
func (s *Service) startNothing(p Plan, link Link) error {
	s.mu.Lock()
	s.unlink(p.Device) // its slot, or its place in the queue, is kept
	if p.atHello {
		s.noteHello(p.Device)
	}
	if p.stop != nil {
		s.noteOrder(p.Device, link, p.session, fleet.Image{})
	}
	s.mu.Unlock()
	if p.stop == nil {
		return nil
	}
	return link.Send(wire.TopicStop, p.stop.Encode())
}

// passed reports whether Hello h and the Offer of d's running update passed each other on
// the same connection: the device had not seen the Offer when it said Hello, and offering
// again would send it twice what is on its way. A Want would have shown that it has.
func (s *Service) passed(d *fleet.Device, h wire.Hello, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	dl := s.running[d.ID]
	return dl != nil && dl.update == d.Update.ID && dl.session == d.Session && !dl.stalled &&
		dl.count == 0 && now.Sub(dl.asked) < wire.ChunkTimeout &&
		h.Boot != 0 && h.Boot == d.Boot && h.Partial == nil && dl.offered == wire.ChunkSize(h.Chunk)
}

// Want makes w, clipped at the image's end, the range that link sends to id next. It never
// blocks on anything but link. A Want that can't be served is counted and changes nothing:
// without a running update the answer is a Stop with reason 14 (the device should say
// Hello), for another image a Stop with reason 10, and a range that begins past the end is
// ignored (docs/protocol.md#want). A download that lost its slot queues for another, and its
// range is kept until then. The error is link's.
func (s *Service) Want(id fleet.DeviceID, w wire.Want, link Link) error {
	s.counts.wants.Add(1)
	refusal := s.want(id, w, link)
	if refusal == wire.ReasonNone {
		return nil
	}
	s.counts.badWants.Add(1)
	if refusal == wire.ReasonOverLimit {
		return nil
	}
	return link.Send(wire.TopicStop, wire.Stop{Image: w.Image, Reason: refusal}.Encode())
}

func (s *Service) want(id fleet.DeviceID, w wire.Want, link Link) (refusal fleet.ReasonCode) {
	s.mu.Lock()
	defer s.mu.Unlock()
	dl := s.running[id]
	if dl == nil || dl.link != link {
		return wire.ReasonNotNow
	}
	src := dl.source
	if w.Image != src.Digest.Image() {
		return wire.ReasonNotYourImage
	}
	if w.Chunk == 0 {
		w.Chunk = dl.offered
	}
	if w.Chunk != src.Chunk {
		src = src.In(w.Chunk)
	}
	if w.First >= src.Count {
		return wire.ReasonOverLimit
	}
	dl.source, dl.asked, dl.first, dl.count = src, time.Now(), w.First, min(w.Count, src.Count-w.First)
	dl.stored = false
	dl.transfers.asked(int64(w.First)*int64(w.Chunk), src, dl.asked)
	dl.stalled = !s.slots.enter(who{id, dl.gateway, dl.team}, dl.asked)
	dl.send(dl.first, dl.count)
	return wire.ReasonNone
}

// Gone reports that link has ended. It frees the device's slot or its place in the queue,
// at no cost: the update continues at the next Hello. It never blocks.
func (s *Service) Gone(id fleet.DeviceID, link Link) {
	s.mu.Lock()
	s.cfg.Pace.Drop(id)
	if s.orders[id].link == link || link == nil {
		delete(s.awaiting, id)
	}
	if s.orders[id].link == link {
		delete(s.orders, id)
	}
	dl := s.running[id]
	if dl != nil && dl.link != link {
		s.mu.Unlock()
		return
	}
	delete(s.running, id)
	delete(s.fetches, id)
	s.mu.Unlock()
	s.leave(id)
}

// halt stops id's running download at once, if it is selected, and sends the device the
// reason. The caller has ended the update in the device's record.
func (s *Service) halt(id fleet.DeviceID, selected func(*download) bool, reason fleet.ReasonCode) {
	if dl := s.drop(id, selected); dl != nil {
		s.mu.Lock()
		if s.orders[id].link == dl.link {
			s.noteOrder(id, dl.link, dl.session, fleet.Image{})
		}
		s.mu.Unlock()
		stop := wire.Stop{Image: dl.source.Digest.Image(), Reason: reason, Update: dl.update}
		_ = dl.link.Send(wire.TopicStop, stop.Encode()) // a closed link has dropped its queue
	}
}

// whichever selects any download, and also none.
func whichever(*download) bool { return true }

// only selects dl, and no other that took its place.
func only(dl *download) func(*download) bool {
	return func(running *download) bool { return running == dl }
}

// drop ends id's download and frees its slot, if the download that runs, which may be nil,
// is selected. selected is called with s.mu held. It returns the download, nil where none
// ran.
func (s *Service) drop(id fleet.DeviceID, selected func(*download) bool) *download {
	s.mu.Lock()
	dl := s.running[id]
	if !selected(dl) {
		s.mu.Unlock()
		return nil
	}
	s.unlink(id)
	ready := s.vacate(id)
	s.mu.Unlock()
	s.announce(ready)
	return dl
}

// unlink ends id's download without freeing its slot. The caller holds mu.
func (s *Service) unlink(id fleet.DeviceID) {
	if dl := s.running[id]; dl != nil {
		dl.link.StopChunks()
	}
	delete(s.running, id)
}

// isSending reports whether update is on its way to id, or has arrived, over the present
// link, or continues by itself when there is a slot: nothing needs to be offered.
func (s *Service) isSending(id fleet.DeviceID, update fleet.UpdateID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	dl := s.running[id]
	return dl != nil && dl.update == update && (dl.stored || !dl.stalled || s.slots.waits(id))
}

// sends reports whether update is under way to id over the present link, in whatever state.
func (s *Service) sends(id fleet.DeviceID, update fleet.UpdateID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	dl := s.running[id]
	return dl != nil && dl.update == update
}
