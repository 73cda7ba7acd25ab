package ota

import (
	"bytes"
	"context"
	"crypto/sha256"
	"io"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

const (
	team    fleet.TeamID    = 1
	product fleet.ProductID = 1
)

// world is the store, the image store and the conductor of these tests in one.
type world struct {
	*Service
	t testing.TB

	mu      sync.Mutex
	devices map[fleet.DeviceID]fleet.Device
	online  map[fleet.DeviceID]bool
	history map[fleet.DeviceID][]fleet.Update
	catalog *fleet.Catalog
	groups  []fleet.Group
	bytes   map[fleet.Digest][]byte
	opened  int
	saves   int
	failing error // of Save, when set
	unbuilt bool  // the index is

	afterPut func() // runs when an image was put, before it is in the catalog
	ready    []fleet.DeviceID
	changed  [][]fleet.DeviceID
}

func newWorld(t testing.TB, cfg Config) *world {
	w := &world{
		t: t, devices: map[fleet.DeviceID]fleet.Device{}, online: map[fleet.DeviceID]bool{},
		history: map[fleet.DeviceID][]fleet.Update{}, bytes: map[fleet.Digest][]byte{},
		catalog: &fleet.Catalog{
			Product: fleet.Product{ID: product, Team: team, Slug: "widget"}, Revision: 1,
			Groups: map[fleet.GroupID]fleet.Version{}, Firmware: map[string]fleet.Firmware{},
		},
	}
	cfg.Ready = func(id fleet.DeviceID) { w.ready = append(w.ready, id) }
	cfg.Changed = func(_ fleet.ProductID, now []fleet.DeviceID) { w.changed = append(w.changed, now) }
	w.Service = New(cfg, w, w, (*worldIndex)(w), w, (*worldImages)(w))
	return w
}

func v(s string) fleet.Version {
	if s == "" {
		return fleet.Version{}
	}
	return fleet.ReportedVersion(s)
}

// firmware uploads an image of size bytes.
func (w *world) firmware(version string, size int) fleet.Firmware {
	w.t.Helper()
	data := make([]byte, size)
	for i := range data {
		data[i] = byte(i*7 + i>>8 + len(version) + int(version[0]))
	}
	f := fleet.Firmware{Product: product, Version: v(version), Size: int64(size), Digest: sha256.Sum256(data)}
	w.bytes[f.Digest] = data
	w.catalog.Firmware[f.Version.Key()] = f
	return f
}

// device adds one that ran version when it was last heard of.
func (w *world) device(id fleet.DeviceID, running string, change ...func(*fleet.Device)) {
	d := fleet.Device{ID: id, Team: team, Product: product, Running: v(running), UpdatesOn: true, Revision: 1}
	for _, c := range change {
		c(&d)
	}
	w.devices[id] = d
}

func (w *world) Device(_ context.Context, id fleet.DeviceID) (fleet.Device, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	d, ok := w.devices[id]
	if !ok {
		return fleet.Device{}, fleet.Errorf(fleet.NotFound, "no such device: %s", id)
	}
	return d, nil
}

func (w *world) Save(_ context.Context, d *fleet.Device, past ...fleet.Update) (uint64, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.failing != nil {
		return 0, w.failing
	}
	if w.devices[d.ID].Revision != d.Revision {
		return 0, fleet.Errorf(fleet.Conflict, "moved")
	}
	d.Revision++
	w.saves++
	w.devices[d.ID] = *d
	for _, u := range past {
		w.history[d.ID] = append([]fleet.Update{u}, w.history[d.ID]...)
	}
	return w.catalog.Revision, nil
}

func (w *world) History(_ context.Context, id fleet.DeviceID) ([]fleet.Update, error) {
	return slices.Clone(w.history[id]), nil
}

func (w *world) Catalog(_ context.Context, id fleet.ProductID) (*fleet.Catalog, error) {
	if id != product {
		return nil, fleet.Errorf(fleet.NotFound, "no such product")
	}
	return w.catalog, nil
}

func (w *world) EditCatalog(_ context.Context, _ fleet.ProductID, edit func(*fleet.Catalog) error) (*fleet.Catalog, error) {
	c := *w.catalog
	c.Groups, c.Firmware = maps.Clone(c.Groups), maps.Clone(c.Firmware)
	if err := edit(&c); err != nil {
		return nil, err
	}
	c.Revision++
	w.catalog = &c
	return &c, nil
}

func (w *world) Groups(context.Context, fleet.TeamID) ([]fleet.Group, error) { return w.groups, nil }

type worldIndex world

func (x *worldIndex) Each(_ fleet.TeamID, _ fleet.ProductID, yield func(*fleet.IndexEntry) bool) error {
	if x.unbuilt {
		return fleet.Errorf(fleet.Unavailable, "the index is being built")
	}
	for _, id := range slices.Sorted(maps.Keys(x.devices)) {
		e, _ := x.Entry(id)
		if !yield(&e) {
			break
		}
	}
	return nil
}

func (x *worldIndex) Entry(id fleet.DeviceID) (fleet.IndexEntry, error) {
	d, ok := x.devices[id]
	if !ok {
		return fleet.IndexEntry{}, fleet.Errorf(fleet.NotFound, "no such device: %s", id)
	}
	return fleet.IndexEntry{
		ID: id, Product: d.Product, Kind: d.Kind, Gateway: d.Gateway, Groups: d.Groups, Running: d.Running, Lock: d.Lock,
		Development: d.Development, UpdatesOn: d.UpdatesOn, Force: d.Force, Disabled: d.Disabled, Online: x.online[id],
		Update: d.Update.State, UpdateTo: d.Update.To, Held: d.Attempts.Held, Spent: d.Attempts.Spent, AttemptsFor: d.Attempts.Target,
	}, nil
}

type worldImages world

func (x *worldImages) Put(_ context.Context, _ fleet.ProductID, r io.Reader, limit int64) (fleet.Digest, int64, error) {
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	switch {
	case err != nil:
		return fleet.Digest{}, 0, err
	case len(data) == 0:
		return fleet.Digest{}, 0, fleet.Errorf(fleet.Invalid, "empty")
	case int64(len(data)) > limit:
		return fleet.Digest{}, 0, fleet.Errorf(fleet.TooLarge, "too large")
	}
	digest := fleet.Digest(sha256.Sum256(data))
	x.bytes[digest] = data
	if x.afterPut != nil {
		x.afterPut()
	}
	return digest, int64(len(data)), nil
}

type worldImage struct{ *bytes.Reader }

func (worldImage) Close() error { return nil }

func (x *worldImages) Open(_ fleet.ProductID, digest fleet.Digest) (Image, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.opened++
	data, ok := x.bytes[digest]
	if !ok {
		return nil, fleet.Errorf(fleet.NotFound, "no image")
	}
	return worldImage{bytes.NewReader(data)}, nil
}

func (x *worldImages) Delete(_ fleet.ProductID, digest fleet.Digest) error {
	delete(x.bytes, digest)
	return nil
}

// radio is the link of one device: it keeps what was sent and owed.
type radio struct {
	w      *world
	id     fleet.DeviceID
	hello  wire.Hello
	offers []wire.Offer
	stops  []wire.Stop

	mu     sync.Mutex // the sweeper owes too
	src    wire.ChunkSource
	first  uint32
	count  uint32
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
			r.w.t.Errorf("offer: %v", err)
		}
		r.offers = append(r.offers, o)
	case wire.TopicStop:
		s, err := wire.DecodeStop(payload)
		if err != nil {
			r.w.t.Errorf("stop: %v", err)
		}
		r.stops = append(r.stops, s)
	default:
		r.w.t.Errorf("sent on topic %d", k)
	}
	return nil
}

func (r *radio) Owe(src wire.ChunkSource, first, count uint32) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.src, r.first, r.count = src, first, count
}

// take receives up to n of the chunks that are owed.
func (r *radio) take(n uint32) {
	r.w.t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	for n = min(n, r.count); n > 0; {
		chunks, err := r.src.Chunks(nil, nil, r.first, n)
		if err != nil {
			r.w.t.Fatalf("chunks: %v", err)
		}
		for _, data := range chunks {
			c, err := wire.ParseChunk(data)
			if err != nil || c.Index != r.first {
				r.w.t.Fatalf("chunk %d: got index %d, %v", r.first, c.Index, err)
			}
			r.got[c.Index] = c.Data
			r.chunks++
			r.first, r.count, n = r.first+1, r.count-1, n-1
		}
	}
}

// connect starts a session of id that runs version, and says Hello.
func (w *world) connect(id fleet.DeviceID, version string, change ...func(*wire.Hello)) (*radio, Plan) {
	w.t.Helper()
	r := &radio{w: w, id: id, got: map[uint32][]byte{}, hello: wire.NewHello(v(version))}
	r.hello.Boot = uint64(time.Now().UnixNano())
	for _, c := range change {
		c(&r.hello)
	}
	w.mu.Lock()
	d := w.devices[id]
	d.Session++
	w.devices[id] = d
	w.online[id] = true
	w.mu.Unlock()
	return r, r.sayHello()
}

// sayHello is what the conductor does at a Hello.
func (r *radio) sayHello() Plan {
	return r.act(AtHello, func(d *fleet.Device) {
		d.Running, d.UpdatesOn = r.hello.Version, r.hello.UpdatesOn
	})
}

// again is what the conductor does when something is to act at once.
func (r *radio) again(at Occasion) Plan { return r.act(at, func(*fleet.Device) {}) }

func (r *radio) act(at Occasion, change func(*fleet.Device)) Plan {
	r.w.t.Helper()
	d := r.w.devices[r.id]
	change(&d)
	p := r.w.Decide(&d, r.w.catalog, r.hello, at)
	d.Boot = r.hello.Boot
	if _, err := r.w.Save(context.Background(), &d, p.Past...); err != nil {
		r.w.t.Fatal(err)
	}
	if err := r.w.Start(p, r); err != nil {
		r.w.t.Fatal(err)
	}
	return p
}

func (r *radio) report(state wire.ReportState, change ...func(*wire.Report)) News {
	r.w.t.Helper()
	p := wire.Report{State: state}
	if len(r.offers) > 0 {
		p.Image, p.Update = r.offers[len(r.offers)-1].Image(), r.offers[len(r.offers)-1].Update
	}
	for _, c := range change {
		c(&p)
	}
	news, err := r.w.Report(context.Background(), r.id, r.w.devices[r.id].Session, p)
	if err != nil {
		r.w.t.Fatalf("report %d: %v", state, err)
	}
	return news
}

func (r *radio) want(first, count uint32, change ...func(*wire.Want)) {
	r.w.t.Helper()
	w := wire.Want{First: first, Count: count}
	if len(r.offers) > 0 {
		w.Image = r.offers[len(r.offers)-1].Image()
	}
	for _, c := range change {
		c(&w)
	}
	if err := r.w.Want(r.id, w, r); err != nil {
		r.w.t.Fatal(err)
	}
}

// gone ends the connection.
func (r *radio) gone() {
	r.w.online[r.id] = false
	r.count = 0
	r.w.Gone(context.Background(), r.id, r)
}

// download gets the whole of the offered image.
func (r *radio) download() {
	r.w.t.Helper()
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
		r.w.t.Fatalf("image of %d bytes differs", len(image))
	}
}
