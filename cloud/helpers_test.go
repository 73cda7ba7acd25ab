package cloud

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/simulator"
	"github.com/muster-iot/muster/wire"
)

const (
	ownerEmail    = "owner@example.com"
	ownerPassword = "correct horse battery staple"
	lamp          = "lamp" // the product's slug
	patience      = 30 * time.Second
	haste         = 50 // simulated reboots and reconnects are quicker than real ones
)

// TestMain checks at the end that no test left a goroutine behind.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		removeBinary()
		os.Exit(code)
	}))
}

// world is a running server with one product, and an operator who may do anything.
type world struct {
	testing.TB
	*api.Client
	cloud *Cloud
	stop  func() // ends the server and waits for that; may be called again
}

// serve starts a server on free ports. Failed attempts have no cool-down, so that tests
// need not wait for one.
func serve(t testing.TB, edits ...func(*Config)) *world {
	t.Helper()
	config := Config{
		MQTT: "127.0.0.1:0", HTTP: "127.0.0.1:0", Data: t.TempDir(), Ephemeral: true,
		OwnerEmail: ownerEmail, OwnerPassword: ownerPassword, CoolDown: []time.Duration{0},
	}
	for _, edit := range edits {
		edit(&config)
	}
	cloud, err := New(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{TB: t, cloud: cloud, stop: running(t, cloud)}
	w.Client = signIn(t, "http://"+cloud.Addresses().HTTP)
	if _, err := w.CreateProduct(t.Context(), "Lamp", lamp); err != nil {
		t.Fatal(err)
	}
	return w
}

// running runs cloud until the returned function is called, or the test ends.
func running(t testing.TB, cloud *Cloud) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- cloud.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		http.DefaultTransport.(*http.Transport).CloseIdleConnections()
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the server ended with: %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

// redisOfItsOwn makes the server keep the fleet in a real redis-server in its data folder.
func redisOfItsOwn(c *Config) { c.Ephemeral = false }

func signIn(t testing.TB, base string) *api.Client {
	t.Helper()
	client, _, err := api.SignIn(t.Context(), base, ownerEmail, ownerPassword)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// image is the firmware image of one version, of size bytes.
func image(version uint32, size int) []byte {
	noise := rand.NewPCG(uint64(version), 1)
	data := fmt.Appendf(nil, "lamp %d\n", version)
	for len(data) < size {
		data = binary.LittleEndian.AppendUint64(data, noise.Uint64())
	}
	return data[:size]
}

func whole(n uint32) api.Version { return api.Version{Version: fleet.WholeVersion(n)} }

// upload uploads versions, each with an image of size bytes.
func upload(t testing.TB, client *api.Client, size int, versions ...uint32) {
	t.Helper()
	for _, v := range versions {
		f := api.NewFirmware{Version: whole(v), Title: "Lamp"}
		if _, err := client.Upload(t.Context(), lamp, f, bytes.NewReader(image(v, size))); err != nil {
			t.Fatal(err)
		}
	}
}

// upload uploads versions, each with an image of size bytes.
func (w *world) upload(size int, versions ...uint32) {
	w.Helper()
	upload(w, w.Client, size, versions...)
}

// release releases version as the product default, unless edits say otherwise.
func (w *world) release(version uint32, edits ...func(*api.Release)) {
	w.Helper()
	r := api.Release{Version: whole(version)}
	for _, edit := range edits {
		edit(&r)
	}
	if _, err := w.Release(w.Context(), lamp, r); err != nil {
		w.Fatal(err)
	}
}

func atOnce(r *api.Release) { r.Intelligent = true }

// edit changes one device.
func (w *world) edit(id fleet.DeviceID, u api.DeviceUpdate) {
	w.Helper()
	if _, err := w.UpdateDevice(w.Context(), lamp, string(id), u); err != nil {
		w.Fatal(err)
	}
}

// enroll imports devices and returns their credentials.
func enroll(t testing.TB, client *api.Client, ids ...fleet.DeviceID) []simulator.Credential {
	t.Helper()
	list := api.NewDevices{}
	for _, id := range ids {
		list.IDs = append(list.IDs, string(id))
	}
	imported, err := client.Import(t.Context(), lamp, list)
	if err != nil {
		t.Fatal(err)
	}
	credentials := make([]simulator.Credential, len(ids))
	for i, id := range ids {
		credentials[i] = simulator.Credential{ID: id, Secret: imported.Secrets[string(id)]}
	}
	return credentials
}

// enroll imports devices and returns their credentials.
func (w *world) enroll(ids ...fleet.DeviceID) []simulator.Credential {
	w.Helper()
	return enroll(w, w.Client, ids...)
}

// device loads a device's record.
func (w *world) device(id fleet.DeviceID) fleet.Device {
	w.Helper()
	d, err := w.cloud.store.Devices.Device(w.Context(), id)
	if err != nil {
		w.Fatal(err)
	}
	return d
}

// broker is where w's devices connect to.
func (w *world) broker() simulator.Broker {
	return simulator.Broker{Scheme: "tcp", Host: w.cloud.Addresses().MQTT}
}

// simulate runs a fleet against w until the test ends; zero fields of config are filled in.
func (w *world) simulate(config simulator.Config) *simulator.Fleet {
	w.Helper()
	if config.Broker.Dialer == nil {
		config.Broker = w.broker()
	}
	return simulate(w, config)
}

func simulate(t testing.TB, config simulator.Config) *simulator.Fleet {
	t.Helper()
	config.Haste = haste
	f, err := simulator.New(config)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var run sync.WaitGroup
	run.Go(func() { f.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		run.Wait()
	})
	return f
}

// online waits until all of f have shaken hands.
func online(t testing.TB, f *simulator.Fleet) {
	t.Helper()
	until(t, "every device has shaken hands", func() bool {
		s := f.Snapshot()
		return s.Online == s.Devices
	})
}

// arrive waits until all of f run version and are online with it.
func arrive(t testing.TB, f *simulator.Fleet, version uint32) {
	t.Helper()
	var s simulator.Snapshot
	defer func() {
		if t.Failed() {
			t.Logf("last seen: %+v", s)
		}
	}()
	until(t, fmt.Sprintf("every device runs version %d", version), func() bool {
		s = f.Snapshot()
		return s.Online == s.Devices && s.Versions[fmt.Sprint(version)] == s.Devices
	})
}

// exact checks that all of f run version, byte by byte as it was uploaded with size bytes,
// and were sent no chunk twice.
func exact(t testing.TB, f *simulator.Fleet, version uint32, size int) {
	t.Helper()
	want := simulator.Expectation{Version: fleet.WholeVersion(version), Digest: sha256.Sum256(image(version, size))}
	if v := f.Verdict(func(fleet.DeviceID) (simulator.Expectation, bool) { return want, true }); !v.OK {
		t.Errorf("verdict: %+v", v.Wrong)
	}
	if s := f.Snapshot().Totals; s.Duplicates != 0 || s.Malformed != 0 {
		t.Errorf("%d chunks came twice, %d messages could not be read", s.Duplicates, s.Malformed)
	}
}

// until waits until so is true.
func until(t testing.TB, what string, so func() bool) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !so() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("it never came about that %s", what)
		}
	}
}

// must is v, unless err is one.
func must[V any](t testing.TB) func(v V, err error) V {
	return func(v V, err error) V {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// raw is a device played by hand, packet by packet.
type raw struct {
	*simulator.Conn
	t  testing.TB
	id fleet.DeviceID
}

// dial connects c, with the light client.
func (w *world) dial(c simulator.Credential) *raw {
	w.Helper()
	return dial(w, w.broker(), c)
}

func dial(t testing.TB, broker simulator.Broker, c simulator.Credential) *raw {
	t.Helper()
	conn, err := simulator.Dial(t.Context(), broker, simulator.Connect{ID: string(c.ID), User: string(c.ID), Password: c.Secret})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &raw{Conn: conn, t: t, id: c.ID}
}

// say publishes payload on one of its own topics and returns the packet id.
func (r *raw) say(kind wire.TopicKind, qos byte, payload []byte) uint16 {
	r.t.Helper()
	id, err := r.Publish(wire.Topic{Speaker: r.id, Kind: kind}.String(), qos, payload)
	if err != nil {
		r.t.Fatal(err)
	}
	return id
}

// hello says Hello with version and returns the Welcome.
func (r *raw) hello(version uint32, edits ...func(*wire.Hello)) wire.Welcome {
	r.t.Helper()
	h := wire.NewHello(fleet.WholeVersion(version))
	for _, edit := range edits {
		edit(&h)
	}
	r.say(wire.TopicHello, 0, h.Encode())
	return must[wire.Welcome](r.t)(wire.DecodeWelcome(r.hear(wire.TopicWelcome).payload))
}

// heard is a message from the cloud.
type heard struct {
	topic   wire.Topic
	payload []byte
}

// next is the next packet; a zero Kind says that the connection has ended.
func (r *raw) next() (simulator.Packet, heard) {
	r.t.Helper()
	p, err := r.Read(time.Now().Add(patience))
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		r.t.Fatal("nothing came")
	case err != nil:
		return simulator.Packet{}, heard{}
	case p.Kind != simulator.Publish:
		return p, heard{}
	}
	return p, heard{must[wire.Topic](r.t)(wire.ParseTopic(string(p.Topic))), bytes.Clone(p.Payload)}
}

// hear is the next message from the cloud, which has to be of that kind.
func (r *raw) hear(kind wire.TopicKind) heard {
	r.t.Helper()
	for {
		p, h := r.next()
		switch {
		case p.Kind == 0:
			r.t.Fatalf("the connection ended before a message of kind %d", kind)
		case p.Kind == simulator.Publish && h.topic.Kind != kind:
			r.t.Fatalf("got %s, want a message of kind %d", h.topic, kind)
		case p.Kind == simulator.Publish:
			return h
		}
	}
}

// acked waits for the PUBACK of packet id; messages before it are passed to other.
func (r *raw) acked(id uint16, other func(heard)) {
	r.t.Helper()
	for {
		switch p, h := r.next(); {
		case p.Kind == 0:
			r.t.Fatal("the connection ended before PUBACK")
		case p.Kind == simulator.PubAck && p.ID == id:
			return
		case p.Kind == simulator.Publish:
			other(h)
		}
	}
}

// over waits until the connection has ended; what comes before is passed over.
func (r *raw) over() {
	r.t.Helper()
	for p, _ := r.next(); p.Kind != 0; p, _ = r.next() {
	}
}

// from makes connections of b come from another address of this machine.
func from(b simulator.Broker, last byte) simulator.Broker {
	b.Source = net.IPv4(127, 0, 1, last)
	return b
}

// narrow is a connection without any buffer: what its device does not read, the server
// waits to write.
type narrow struct {
	net.Conn
	ahead []byte // read already
}

// newNarrow returns the device's end, and the server's to attach.
func newNarrow() (device *narrow, server net.Conn) {
	here, there := net.Pipe()
	return &narrow{Conn: here}, there
}

// broker leads over n.
func (n *narrow) broker() simulator.Broker {
	return simulator.Broker{Dialer: func(context.Context) (net.Conn, error) { return n, nil }}
}

// await waits until the server is in the middle of a write.
func (n *narrow) await(t testing.TB) {
	t.Helper()
	n.ahead = make([]byte, 1)
	if _, err := io.ReadFull(n.Conn, n.ahead); err != nil {
		t.Fatal(err)
	}
}

func (n *narrow) Read(p []byte) (int, error) {
	if len(n.ahead) == 0 {
		return n.Conn.Read(p)
	}
	taken := copy(p, n.ahead)
	n.ahead = n.ahead[taken:]
	return taken, nil
}
