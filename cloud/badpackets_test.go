package cloud_test

import (
	"io"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/cloud/cloudtest"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/simulator"
	"github.com/muster-iot/muster/simulator/mqttlite"
	"github.com/muster-iot/muster/wire"
)

const (
	badInputEnv  = "MUSTER_BAD_INPUT" // how many bad packets and messages to send
	badInput     = 20_000             // unless the environment has another number; `make soak` sends a million
	badWorkers   = 4                  // devices that send them
	maxHeapGrown = 24 << 20           // bytes
)

func TestBadInputLeavesTheServerUpAndItsStateUntouched(t *testing.T) {
	count := badInput
	if text := os.Getenv(badInputEnv); text != "" {
		count = cloudtest.Must[int](t)(strconv.Atoi(text))
	}
	w := serve(t)
	w.UploadVersions(imageSize, 1, 2)
	attackers := w.Enroll("bad0", "bad1", "bad2", "bad3")
	others := w.Enroll("idle", "offered", "good")
	w.EditDevice("idle", api.DeviceUpdate{Lock: api.Some(cloudtest.Whole(1)), Groups: api.Some(api.Names{"eu"}), Name: api.Some("Idle")})
	idle := w.Dial(others[0])
	idle.Hello(1)
	w.ReleaseVersion(2)
	offered := w.Dial(others[1])
	offered.Hello(1)
	offered.Receive(wire.TopicOffer)
	_ = offered.Disconnect()
	cloudtest.Until(t, "it is offline", func() bool { return !w.Online("offered") })

	before, heap := w.records(), heapInUse()
	var tasks sync.WaitGroup
	for i, device := range attackers {
		tasks.Go(func() {
			a := &attacker{broker: cloudtest.From(w.Broker(), byte(10+i)), device: device, rand: rand.New(rand.NewPCG(7, uint64(i)))}
			a.attack(count / badWorkers)
		})
	}
	tasks.Wait()
	cloudtest.Until(t, "the attackers are gone", func() bool { return w.Metric("muster_connections") == 1 })

	if diff := cmp.Diff(before, w.records(), cmp.Comparer(func(a, b fleet.Version) bool { return a == b })); diff != "" {
		t.Errorf("records changed:\n%s", diff)
	}
	if grown := heapInUse() - heap; grown > maxHeapGrown {
		t.Errorf("the heap grew by %d bytes, %d are allowed", grown, maxHeapGrown)
	}
	t.Logf("%d sent; %v connections accepted, %v messages in", count, w.Metric("muster_accepted_total"), w.Metric("muster_messages_in_total"))
	if n := w.Metric("muster_panics_total"); n != 0 {
		t.Errorf("%v connections ended by a panic", n)
	}
	idle.WaitAck(idle.Send(wire.TopicMessage, 1, []byte("still here")), func(h cloudtest.Message) { t.Errorf("a bystander got %s", h.Topic) })
	f := w.Simulate(simulator.Config{Devices: others[2:]})
	cloudtest.WaitForVersion(t, f, 2)
	cloudtest.VerifyExact(t, f, 2, imageSize)
}

// records returns all records, without when a packet of the device was last heard: any counts.
func (w *world) records() map[fleet.DeviceID]fleet.Device {
	w.Helper()
	all := map[fleet.DeviceID]fleet.Device{}
	for _, d := range cloudtest.Must[api.DeviceList](w)(w.Devices(w.Context(), cloudtest.Lamp, api.DeviceFilter{PerPage: 100})).Devices {
		record := w.Record(fleet.DeviceID(d.ID))
		record.LastHeard, record.Contacts, record.Revision, record.Base = time.Time{}, "", 0, fleet.Base{}
		all[record.ID] = record
	}
	return all
}

func heapInUse() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// attacker has the secret of one device, and sends nothing that anyone should obey.
type attacker struct {
	broker mqttlite.Broker
	device simulator.Credential
	rand   *rand.Rand
	five   bool // the connection that is being put together speaks MQTT 5
	sent   int
}

// attack sends count packets and messages, over many connections.
func (a *attacker) attack(count int) {
	for a.sent < count {
		switch a.rand.IntN(4) {
		case 0:
			a.guess()
		case 1:
			packets := a.connect()
			for range 1 + a.rand.IntN(8) {
				packets = append(packets, a.mutated(pick(a.rand, a.packets()))...)
				a.sent++
			}
			a.converse(packets)
		default:
			packets := a.connect()
			for range 100 {
				packets = append(packets, a.message()...)
			}
			a.converse(packets)
		}
		a.sent++
	}
}

// guess sends a broken CONNECT of a device that does not exist, from another address:
// failed proofs would lock a's own out.
func (a *attacker) guess() {
	g := *a
	g.broker, g.device = cloudtest.From(a.broker, 9), simulator.Credential{ID: "nobody", Secret: "nothing"}
	g.converse(g.mutated(g.connect()))
}

// converse opens a connection, sends all packets, and reads until the server closes it.
func (a *attacker) converse(packets []byte) {
	conn, err := net.DialTCP("tcp", &net.TCPAddr{IP: a.broker.Source}, mustResolve(a.broker.Host))
	if err != nil {
		return // more connections than the machine has ports for
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(cloudtest.Patience))
	go func() {
		_, _ = conn.Write(packets) // the server may well hang up before the end
		_ = conn.CloseWrite()
	}()
	_, _ = io.Copy(io.Discard, conn)
}

func mustResolve(address string) *net.TCPAddr {
	resolved, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		panic(err)
	}
	return resolved
}

// connect is a proper CONNECT, of MQTT 3.1.1 or 5.
func (a *attacker) connect() []byte {
	packet := connect5(a.device)
	if a.five = a.rand.IntN(2) == 0; !a.five {
		const level, properties = 8, 12 // where the protocol level is, and the empty properties
		packet[level] = 4
		packet = append(packet[:properties], packet[properties+1:]...)
		packet[1]--
	}
	return packet
}

// packets are what a device may not send, and what it may but with nothing in it.
func (a *attacker) packets() [][]byte {
	own := "d/" + string(a.device.ID)
	hello := wire.NewHello(fleet.WholeVersion(9)).Encode()
	return [][]byte{
		a.publish("d/idle/up/hello", 0, hello),
		a.publish("d/offered/up/hello", 1, hello),
		a.publish("d/idle/down/stop", 0, hello),
		a.publish(own+"/b/idle/up/hello", 1, hello),
		a.publish(own+"/down/chunk", 0, hello),
		a.publish(own+"/up/hello", 2, []byte{0xff}),
		a.publish(own+"/up/report", 1, []byte{0xff, 0, 1}),
		a.publish(own+"/up/done/4294967295", 1, nil),
		a.publish(own+"/up/attach", 1, []byte{0xa1, 0, 0x81, 0x64, 'i', 'd', 'l', 'e'}),
		a.publish("$SYS/broker", 0, nil),
		packet(8<<4|2, append([]byte{0, 1}, append(text("#"), 1)...)),
		packet(8<<4|2, append([]byte{0, 2}, append(text("$share/g/d/idle/down/#"), 0)...)),
		packet(8<<4|2, append([]byte{0, 3}, append(text(own+"/down/#"), 1)...)),
		packet(10<<4|2, append([]byte{0, 4}, text("#")...)),
		packet(4<<4, []byte{0, 1}), packet(5<<4, []byte{0, 1}), packet(6<<4|2, []byte{0, 1}), packet(7<<4, []byte{0, 1}),
		packet(12<<4, nil), packet(13<<4, nil), packet(14<<4, nil), packet(15<<4, []byte{0x18, 0}), packet(0, nil),
		packet(1<<4, []byte{0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0, 0, 0, 0}), // a second CONNECT
	}
}

// message is a PUBLISH on one of the attacker's own topics of something no decoder takes,
// or that asks for what it may not have.
func (a *attacker) message() []byte {
	a.sent++
	image := fleet.Image{byte(a.rand.Uint32())}
	hello := wire.NewHello(fleet.WholeVersion(9))
	hello.Partial, hello.Facts, hello.Boot = &wire.Partial{Image: image, Next: 3, Chunk: 512}, []byte{0xa1, 0x61, 'b', 1}, 99
	for {
		kind, payload := wire.TopicHello, a.mutated(hello.Encode())
		_, refused := wire.DecodeHello(payload)
		switch a.rand.IntN(16) {
		case 1, 2, 3, 4, 5, 6, 7, 8, 9: // also one that can be read: no download runs
			kind, refused = wire.TopicWant, io.EOF
			payload = wire.Want{Image: image, First: a.rand.Uint32(), Count: 1 + a.rand.Uint32N(64)}.Encode()
			if a.rand.IntN(2) == 0 {
				payload = a.mutated(payload)
			}
		case 10, 11:
			kind, payload = wire.TopicReport, a.mutated(wire.Report{Image: image, State: wire.ReportStored, Text: "done"}.Encode())
			_, refused = wire.DecodeReport(payload)
		case 12:
			kind, payload = wire.TopicAlert, a.mutated(wire.Alert{Type: 1, Text: "hot"}.Encode())
			_, refused = wire.DecodeAlert(payload)
		case 13:
			kind, refused = wire.TopicAttach, io.EOF
		}
		if refused != nil {
			return a.publish(wire.Topic{Speaker: a.device.ID, Kind: kind}.String(), byte(a.rand.IntN(2)), payload)
		}
	}
}

// mutated is data with a few things wrong about it.
func (a *attacker) mutated(data []byte) []byte {
	data = append([]byte(nil), data...)
	for range 1 + a.rand.IntN(4) {
		at := a.rand.IntN(len(data) + 1)
		switch a.rand.IntN(7) {
		case 0:
			data = data[:at]
		case 1:
			data = append(data[:at:at], append(a.noise(16), data[at:]...)...)
		case 2:
			data = append(data, data[at:]...)
		case 3:
			data = append(data[:at:at], append(pick(a.rand, traps), data[at:]...)...)
		case 4:
			data = a.noise(64)
		default:
			if at < len(data) {
				data[at] ^= 1 << a.rand.IntN(8)
			}
		}
	}
	return data
}

// traps are beginnings of CBOR items and MQTT packets that promise more than follows.
var traps = [][]byte{
	{0x9f}, {0xbf}, {0xff}, {0x5f}, {0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
	{0xbb, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, {0x5a, 0xff, 0xff, 0xff, 0xff}, {0x7b, 0, 0, 0, 1, 0, 0, 0, 0},
	{0x81, 0x81, 0x81, 0x81, 0x81, 0x81, 0x81, 0x81}, {0xc0, 0xd8, 0x25}, {0xfb, 0x7f, 0xf8, 0, 0, 0, 0, 0, 0},
	{3 << 4, 0xff, 0xff, 0xff, 0x7f}, {3 << 4, 0xff, 0xff, 0xff, 0xff, 0xff}, {1 << 4, 0x80, 0x80, 0x80, 0x01}, {8<<4 | 2, 2, 0, 1},
}

func (a *attacker) noise(most int) []byte {
	noise := make([]byte, a.rand.IntN(most+1))
	for i := range noise {
		noise[i] = byte(a.rand.Uint32())
	}
	return noise
}

func pick[E any](r *rand.Rand, all []E) E { return all[r.IntN(len(all))] }

// packet is an MQTT control packet; body is shorter than 16 KiB.
func packet(first byte, body []byte) []byte {
	if len(body) < 128 {
		return append([]byte{first, byte(len(body))}, body...)
	}
	return append([]byte{first, byte(len(body)) | 0x80, byte(len(body) >> 7)}, body...)
}

// publish is a PUBLISH as the connection speaks it.
func (a *attacker) publish(topic string, qos byte, payload []byte) []byte {
	body := text(topic)
	if qos > 0 {
		body = append(body, 0, 9)
	}
	if a.five {
		body = append(body, 0) // no properties
	}
	return packet(3<<4|qos<<1, append(body, payload...))
}
