package ota

import (
	"context"
	"fmt"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

// download is a running transfer to one device over one link. Its fields but the source's
// are guarded by Service.mu; the source counts for itself.
type download struct {
	device  fleet.DeviceID
	gateway fleet.DeviceID // a BLE device's, else ""
	update  fleet.UpdateID
	link    Link
	session uint64
	source  *source
	offered uint32    // bytes per chunk, as in the Offer
	asked   time.Time // of the Offer or the last Want
	first   uint32    // of the last Want, in chunks of the source
	count   uint32    // of the last Want, 0 before the first
	full    int       // whole transfers counted so far
	stalled bool      // its slot was freed: no chunks are sent until it has one again
	stored  bool      // the device holds the whole image: nothing more is awaited
}

// Start carries out a plan whose device record was saved: it stops a download that is over,
// or sends the Offer and queues the first window of chunks on link, from the position the
// device holds the image up to. A device that holds it all, or has no window, is sent none. It returns link's error; the caller then ends the connection, and Gone tidies up.
func (s *Service) Start(p Plan, link Link) error {
	for i := range p.Past {
		s.counts.ended[p.Past[i].State].Add(1)
	}
	if p.going {
		return nil
	}
	if p.Offer == nil {
		s.forget(p.Device)
		if p.stop == nil {
			return nil
		}
		return link.Send(wire.TopicStop, p.stop.Encode())
	}
	o := *p.Offer
	dl := &download{
		device: p.Device, gateway: p.gateway, update: o.Update, link: link, session: p.session, offered: o.Chunk,
		asked: time.Now(), first: o.First, source: s.source(p.product, o.Digest, o.Size, o.Chunk),
	}
	s.mu.Lock()
	if old := s.running[p.Device]; old != nil {
		old.link.StopChunks()
		if old.update == o.Update {
			dl.source.flow, dl.full = old.source.flow, old.full
		}
	}
	s.running[p.Device] = dl
	s.mu.Unlock()
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
	if count := min(p.window, o.Count-o.First); count > 0 && s.running[p.Device] == dl {
		link.SendChunks(dl.source, o.First, count)
	}
	return nil
}

// crossed reports whether Hello h and the Offer of d's running update passed each other on
// the same connection: the device had not seen the Offer when it said Hello, and offering
// again would send it twice what is on its way. A Want would have told that it has.
func (s *Service) crossed(d *fleet.Device, h wire.Hello, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	dl := s.running[d.ID]
	return dl != nil && dl.update == d.Update.ID && dl.session == d.Session && !dl.stalled &&
		dl.count == 0 && now.Sub(dl.asked) < wire.ChunkTimeout &&
		h.Boot != 0 && h.Boot == d.Boot && h.Partial == nil && dl.offered == wire.ChunkSize(h.Chunk)
}

// Want queues the chunks that w asks for on link, clipped at the image's end. It never blocks
// on anything but link. Answers to a Want that can't be: a Stop with reason 14 when no
// update runs (the device is to say Hello), with reason 10 when w is of another image; a
// range that begins past the end is ignored. All of these are counted and none changes
// anything (docs/protocol.md#want). A download that lost its slot waits in the line for
// another, and is then sent what it asked for last. The error is link's.
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
	if w.Image != src.digest.Image() {
		return wire.ReasonNotYourImage
	}
	if w.Chunk == 0 {
		w.Chunk = dl.offered
	}
	if w.Chunk != src.chunk {
		src = src.in(w.Chunk)
	}
	if w.First >= src.count {
		return wire.ReasonOverLimit
	}
	dl.source, dl.asked, dl.first, dl.count = src, time.Now(), w.First, min(w.Count, src.count-w.First)
	dl.stored = false
	if dl.stalled = !s.slots.enter(id, dl.gateway, dl.asked); !dl.stalled {
		link.SendChunks(src, dl.first, dl.count)
	}
	return wire.ReasonNone
}

// Gone says that link has ended. Its device's slot is free and its place in the line lost,
// at no cost: the update goes on at the next Hello. Whole transfers that were not counted
// yet are written to the record; if that fails they are not counted at all.
func (s *Service) Gone(ctx context.Context, id fleet.DeviceID, link Link) {
	s.mu.Lock()
	dl := s.running[id]
	if dl != nil && dl.link != link {
		s.mu.Unlock()
		return
	}
	delete(s.running, id)
	delete(s.fetches, id)
	s.mu.Unlock()
	s.leave(id)
	if dl != nil {
		_ = s.countTransfers(ctx, dl)
	}
}

// Halt stops id's running download at once and tells the device why. The update itself is
// ended by the caller, in the device's record. Without a download it does nothing.
func (s *Service) Halt(id fleet.DeviceID, reason fleet.ReasonCode) {
	s.halt(id, whichever, reason)
}

func (s *Service) halt(id fleet.DeviceID, meant func(*download) bool, reason fleet.ReasonCode) {
	if dl := s.drop(id, meant); dl != nil {
		stop := wire.Stop{Image: dl.source.digest.Image(), Reason: reason, Update: dl.update}
		_ = dl.link.Send(wire.TopicStop, stop.Encode()) // a closed link has dropped its queue
	}
}

// whichever means a download that may be any, or none.
func whichever(*download) bool { return true }

// only means dl, and no other that took its place.
func only(dl *download) func(*download) bool {
	return func(running *download) bool { return running == dl }
}

// drop ends id's download and frees its slot, unless another runs than the one that is
// meant, which is asked with s.mu held. It returns the download, nil where none ran.
func (s *Service) drop(id fleet.DeviceID, meant func(*download) bool) *download {
	s.mu.Lock()
	dl := s.running[id]
	if !meant(dl) {
		s.mu.Unlock()
		return nil
	}
	s.unlink(id)
	next, ready := s.vacate(id)
	s.mu.Unlock()
	if ready {
		s.cfg.Ready(next)
	}
	return dl
}

// forget ends id's download, if one runs. Its slot, or its place in the line, is kept.
func (s *Service) forget(id fleet.DeviceID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unlink(id)
}

// unlink stops id's chunks and removes its download. The caller holds mu.
func (s *Service) unlink(id fleet.DeviceID) {
	if dl := s.running[id]; dl != nil {
		dl.link.StopChunks()
	}
	delete(s.running, id)
}

// goesOn reports whether update is on its way to id, or has arrived, over the present
// link: nothing needs to be offered.
func (s *Service) goesOn(id fleet.DeviceID, update fleet.UpdateID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	dl := s.running[id]
	return dl != nil && dl.update == update && (dl.stored || !dl.stalled)
}

// Position is up to where, in bytes from its image's start, the device has asked for its
// running download; ok is false when none runs here.
func (s *Service) Position(id fleet.DeviceID) (bytes int64, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	dl := s.running[id]
	if dl == nil {
		return 0, false
	}
	return min(int64(dl.first)*int64(dl.source.chunk), dl.source.size), true
}

// Downloading returns the devices to which a download of an image of product runs.
func (s *Service) Downloading(product fleet.ProductID) []fleet.DeviceID {
	s.mu.Lock()
	defer s.mu.Unlock()
	var ids []fleet.DeviceID
	for id, dl := range s.running {
		if dl.source.product == product {
			ids = append(ids, id)
		}
	}
	return ids
}
