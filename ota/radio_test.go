package ota

import (
	"context"
	"crypto/sha256"
	"sync"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

// radio is the link of one device: it keeps what was sent and queued.
type radio struct {
	w      *world
	id     fleet.DeviceID
	hello  wire.Hello
	offers []wire.Offer
	stops  []wire.Stop

	mu     sync.Mutex // the sweeper uses it too
	src    wire.ChunkSource
	first  uint32
	count  uint32 // that are sent
	kept   uint32 // that are not, for now
	got    map[uint32][]byte
	chunks int // received in all
}

func (r *radio) Send(k wire.TopicKind, payload []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch k {
	case wire.TopicOffer:
		o, err := wire.DecodeOffer(payload)
		if err != nil {
			r.w.T.Errorf("offer: %v", err)
		}
		r.offers = append(r.offers, o)
	case wire.TopicStop:
		s, err := wire.DecodeStop(payload)
		if err != nil {
			r.w.T.Errorf("stop: %v", err)
		}
		r.stops = append(r.stops, s)
	default:
		r.w.T.Errorf("sent on topic %d", k)
	}
	return nil
}

func (r *radio) StopChunks() { r.SendChunks(nil, 0, 0) }

func (r *radio) SendChunks(src wire.ChunkSource, first, count uint32) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if left := r.count + r.kept; left > 0 && first == r.first+left && src == r.src {
		first, count = r.first, left+count
	}
	r.src, r.first, r.count, r.kept = src, first, count, 0
}

func (r *radio) KeepChunks(src wire.ChunkSource, first, count uint32) {
	if count > 0 {
		r.SendChunks(src, first, count)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.count, r.kept = 0, r.count+r.kept
}

func (r *radio) ResumeChunks() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.count, r.kept = r.count+r.kept, 0
}

// take receives up to n of the chunks that are queued.
func (r *radio) take(n uint32) {
	r.w.T.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	for n = min(n, r.count); n > 0; {
		chunks, err := r.src.Chunks(nil, nil, r.first, n)
		if err != nil {
			r.w.T.Fatalf("chunks: %v", err)
		}
		for _, data := range chunks {
			c, err := wire.ParseChunk(data)
			if err != nil || c.Index != r.first {
				r.w.T.Fatalf("chunk %d: got index %d, %v", r.first, c.Index, err)
			}
			r.got[c.Index] = c.Data
			r.chunks++
			r.first, r.count, n = r.first+1, r.count-1, n-1
		}
	}
}

// connect starts a session of id that runs version, and says Hello.
func (w *world) connect(id fleet.DeviceID, version string, change ...func(*wire.Hello)) (*radio, Plan) {
	w.T.Helper()
	id = id.In(team)
	r := &radio{w: w, id: id, got: map[uint32][]byte{}, hello: wire.NewHello(v(version))}
	w.boots++
	r.hello.Boot = w.boots // every connection is a new boot, unless change says otherwise
	for _, c := range change {
		c(&r.hello)
	}
	w.Edit(id, func(d *fleet.Device) { d.Session++ })
	return r, r.sayHello()
}

// sayHello is what package cloud does at a Hello.
func (r *radio) sayHello() Plan {
	return r.act(AtHello, func(d *fleet.Device) {
		d.Running, d.UpdatesOn = r.hello.Version, r.hello.UpdatesOn
	})
}

// again is what package cloud does when something is to act at once.
func (r *radio) again(at Occasion) Plan { return r.act(at, func(*fleet.Device) {}) }

func (r *radio) act(at Occasion, change func(*fleet.Device)) Plan {
	r.w.T.Helper()
	d := r.w.Record(r.id)
	change(&d)
	p := r.w.Decide(&d, r.w.Catalog(), r.hello, at)
	d.Boot = r.hello.Boot
	r.w.Save(&d, p.Ended...)
	if err := r.w.Start(p, r); err != nil {
		r.w.T.Fatal(err)
	}
	return p
}

func (r *radio) report(state wire.ReportState, change ...func(*wire.Report)) News {
	r.w.T.Helper()
	p := wire.Report{State: state}
	if len(r.offers) > 0 {
		p.Image, p.Update = r.offers[len(r.offers)-1].Image(), r.offers[len(r.offers)-1].Update
	}
	for _, c := range change {
		c(&p)
	}
	news, err := r.w.Report(context.Background(), r.id, r.w.Record(r.id).Session, p)
	if err != nil {
		r.w.T.Fatalf("report %d: %v", state, err)
	}
	return news
}

func (r *radio) want(first, count uint32, change ...func(*wire.Want)) {
	r.w.T.Helper()
	w := wire.Want{First: first, Count: count}
	if len(r.offers) > 0 {
		w.Image = r.offers[len(r.offers)-1].Image()
	}
	for _, c := range change {
		c(&w)
	}
	if err := r.w.Want(r.id, w, r); err != nil {
		r.w.T.Fatal(err)
	}
}

// gone ends the connection.
func (r *radio) gone() {
	r.StopChunks()
	r.w.Gone(r.id, r)
}

// download gets the whole of the offered image.
func (r *radio) download() {
	r.w.T.Helper()
	o := r.offers[len(r.offers)-1]
	r.take(o.Count)
	for next := uint32(len(r.got)); next < o.Count; next = uint32(len(r.got)) {
		r.want(next, 16)
		r.take(16)
	}
	var image []byte
	for i := range o.Count {
		image = append(image, r.got[i]...)
	}
	if fleet.Digest(sha256.Sum256(image)) != o.Digest {
		r.w.T.Fatalf("image of %d bytes differs", len(image))
	}
}
