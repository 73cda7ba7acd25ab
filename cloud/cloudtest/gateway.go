package cloudtest

import (
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
	"github.com/muster-iot/muster/wire/mqtt"
)

// ReceiveFor is the next message of that kind for child; others are ignored.
func (d *Device) ReceiveFor(child fleet.DeviceID, kind wire.TopicKind) []byte {
	d.t.Helper()
	for {
		p, m := d.Next()
		if p.Kind == 0 {
			d.t.Fatalf("the connection ended before a message of kind %d for %s", kind, child)
		}
		if p.Kind == mqtt.Publish && m.Topic.Child == child && m.Topic.Kind == kind {
			return m.Payload
		}
	}
}

// HelloFor sends Hello for child and returns the Welcome.
func (d *Device) HelloFor(child fleet.DeviceID, version uint32, edits ...func(*wire.Hello)) wire.Welcome {
	d.t.Helper()
	d.SendFor(child, wire.TopicHello, 0, hello(version, edits))
	return Must[wire.Welcome](d.t)(wire.DecodeWelcome(d.ReceiveFor(child, wire.TopicWelcome)))
}

// OfferFor is the next Offer for child.
func (d *Device) OfferFor(child fleet.DeviceID) wire.Offer {
	d.t.Helper()
	return Must[wire.Offer](d.t)(wire.DecodeOffer(d.ReceiveFor(child, wire.TopicOffer)))
}

// StopFor is the next Stop for child.
func (d *Device) StopFor(child fleet.DeviceID) wire.Stop {
	d.t.Helper()
	return Must[wire.Stop](d.t)(wire.DecodeStop(d.ReceiveFor(child, wire.TopicStop)))
}

// Attach reports that ids came into reach, or with TopicDetach left it, and returns the
// outcomes once the change is acknowledged.
func (d *Device) Attach(kind wire.TopicKind, ids ...fleet.DeviceID) map[fleet.DeviceID]fleet.ReasonCode {
	d.t.Helper()
	outcomes := map[fleet.DeviceID]fleet.ReasonCode{}
	d.WaitAck(d.Send(kind, 1, wire.Attach{IDs: ids}.Encode()), func(m Message) {
		if m.Topic.Kind == wire.TopicAttached {
			for _, o := range Must[wire.Attached](d.t)(wire.DecodeAttached(m.Payload)).Outcomes {
				outcomes[o.ID] = o.Reason
			}
		}
	})
	return outcomes
}

// DownloadFor completes child's update, from wherever Offer o begins, and reports it like a
// device that restarts; o has been received.
func (d *Device) DownloadFor(child fleet.DeviceID, o wire.Offer) {
	d.t.Helper()
	for next := o.First; next < o.Count; {
		c := Must[wire.Chunk](d.t)(wire.ParseChunk(d.ReceiveFor(child, wire.TopicChunk)))
		if c.Index != next {
			d.t.Fatalf("got chunk %d, want %d", c.Index, next)
		}
		if next++; (next-o.First)%wire.DefaultWindow == 0 && next < o.Count {
			d.SendFor(child, wire.TopicWant, 0, wire.Want{Image: o.Image(), First: next, Count: wire.DefaultWindow}.Encode())
		}
	}
	d.FinishFor(child, o)
}

// FinishFor reports child's update as stored and being applied.
func (d *Device) FinishFor(child fleet.DeviceID, o wire.Offer) {
	d.t.Helper()
	for _, state := range []wire.ReportState{wire.ReportStored, wire.ReportApplying} {
		report := wire.Report{Image: o.Image(), State: state, Update: o.Update}
		d.WaitAck(d.SendFor(child, wire.TopicReport, 1, report.Encode()), func(Message) {})
	}
}

// FetchImage gets the image of a child's Offer on the gateway's own topics.
func (d *Device) FetchImage(o wire.Offer) {
	d.t.Helper()
	for next := uint32(0); next < o.Count; {
		d.Send(wire.TopicWant, 0, wire.Want{Image: o.Image(), First: next, Count: wire.DefaultWindow}.Encode())
		for range min(wire.DefaultWindow, o.Count-next) {
			if c := Must[wire.Chunk](d.t)(wire.ParseChunk(d.ReceiveFor("", wire.TopicChunk))); c.Index != next {
				d.t.Fatalf("got chunk %d, want %d", c.Index, next)
			}
			next++
		}
	}
}
