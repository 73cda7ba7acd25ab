package cloud

import (
	"testing"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/simulator"
	"github.com/muster-iot/muster/wire"
)

// behind imports BLE devices attached to gateway, which becomes one thereby.
func (w *world) behind(gateway fleet.DeviceID, ids ...fleet.DeviceID) {
	w.Helper()
	list := api.NewDevices{Gateway: string(gateway)}
	for _, id := range ids {
		list.IDs = append(list.IDs, string(id))
	}
	if got := must[api.Imported](w)(w.Import(w.Context(), lamp, list)); got.Updated != len(ids) {
		w.Fatalf("imported %v of %v", got.Updated, ids)
	}
}

// gateways enrolls devices and makes gateways of them.
func (w *world) gateways(ids ...fleet.DeviceID) []simulator.Credential {
	w.Helper()
	credentials := w.enroll(ids...)
	for _, id := range ids {
		w.behind(id, id+"-0")
	}
	return credentials
}

// carry publishes payload on a topic of child.
func (r *raw) carry(child fleet.DeviceID, kind wire.TopicKind, qos byte, payload []byte) uint16 {
	r.t.Helper()
	id, err := r.Publish(wire.Topic{Speaker: r.id, Child: child, Kind: kind}.String(), qos, payload)
	if err != nil {
		r.t.Fatal(err)
	}
	return id
}

// hearFor is the next message of that kind for child; others' are passed over.
func (r *raw) hearFor(child fleet.DeviceID, kind wire.TopicKind) []byte {
	r.t.Helper()
	for {
		p, h := r.next()
		if p.Kind == 0 {
			r.t.Fatalf("the connection ended before a message of kind %d for %s", kind, child)
		}
		if p.Kind == simulator.Publish && h.topic.Child == child && h.topic.Kind == kind {
			return h.payload
		}
	}
}

// childHello says Hello for child and returns the Welcome.
func (r *raw) childHello(child fleet.DeviceID, version uint32, edits ...func(*wire.Hello)) wire.Welcome {
	r.t.Helper()
	h := wire.NewHello(fleet.WholeVersion(version))
	for _, edit := range edits {
		edit(&h)
	}
	r.carry(child, wire.TopicHello, 0, h.Encode())
	return must[wire.Welcome](r.t)(wire.DecodeWelcome(r.hearFor(child, wire.TopicWelcome)))
}

func (r *raw) offerFor(child fleet.DeviceID) wire.Offer {
	r.t.Helper()
	return must[wire.Offer](r.t)(wire.DecodeOffer(r.hearFor(child, wire.TopicOffer)))
}

func (r *raw) stopFor(child fleet.DeviceID) wire.Stop {
	r.t.Helper()
	return must[wire.Stop](r.t)(wire.DecodeStop(r.hearFor(child, wire.TopicStop)))
}

// attach says that ids came into reach, or with TopicDetach left it, and returns the
// outcomes once the change is acknowledged.
func (r *raw) attach(kind wire.TopicKind, ids ...fleet.DeviceID) map[fleet.DeviceID]fleet.ReasonCode {
	r.t.Helper()
	outcomes := map[fleet.DeviceID]fleet.ReasonCode{}
	r.acked(r.say(kind, 1, wire.Attach{IDs: ids}.Encode()), func(h heard) {
		if h.topic.Kind == wire.TopicAttached {
			for _, o := range must[wire.Attached](r.t)(wire.DecodeAttached(h.payload)).Outcomes {
				outcomes[o.ID] = o.Reason
			}
		}
	})
	return outcomes
}

// alive checks that the gateway's connection goes on.
func (r *raw) alive() {
	r.t.Helper()
	r.acked(r.say(wire.TopicMessage, 1, []byte("alive")), func(heard) {})
}

// download takes child's update to its end, from wherever its Offer begins, and reports
// it as a device that restarts; the Offer has been read.
func (r *raw) download(child fleet.DeviceID, o wire.Offer) {
	r.t.Helper()
	for next := o.First; next < o.Count; {
		c := must[wire.Chunk](r.t)(wire.ParseChunk(r.hearFor(child, wire.TopicChunk)))
		if c.Index != next {
			r.t.Fatalf("got chunk %d, want %d", c.Index, next)
		}
		if next++; (next-o.First)%wire.DefaultWindow == 0 && next < o.Count {
			r.carry(child, wire.TopicWant, 0, wire.Want{Image: o.Image(), First: next, Count: wire.DefaultWindow}.Encode())
		}
	}
	r.finish(child, o)
}

// finish reports child's update as stored and applied.
func (r *raw) finish(child fleet.DeviceID, o wire.Offer) {
	r.t.Helper()
	for _, state := range []wire.ReportState{wire.ReportStored, wire.ReportApplying} {
		report := wire.Report{Image: o.Image(), State: state, Update: o.Update}
		r.acked(r.carry(child, wire.TopicReport, 1, report.Encode()), func(heard) {})
	}
}

func (w *world) runs(id fleet.DeviceID, version uint32) {
	w.Helper()
	if d := w.device(id); !d.Running.Equal(fleet.WholeVersion(version)) || d.Update.State != fleet.Confirmed {
		w.Errorf("%s runs %s, update %s; want %d, confirmed", id, d.Running, d.Update.State, version)
	}
}

func online1(t testing.TB, w *world, id fleet.DeviceID, want bool) {
	t.Helper()
	if got := must[api.Device](t)(w.Device(t.Context(), string(id))).Online; got != want {
		t.Errorf("%s: online is %t, want %t", id, got, want)
	}
}

// setProduct changes the settings of the product.
func (w *world) setProduct(change func(*fleet.Product)) {
	w.Helper()
	p := must[api.Product](w)(w.Product(w.Context(), lamp))
	_, err := w.cloud.store.Catalogs.EditCatalog(w.Context(), fleet.ProductID(p.ID), func(c *fleet.Catalog) error {
		change(&c.Product)
		return nil
	})
	if err != nil {
		w.Fatal(err)
	}
}
