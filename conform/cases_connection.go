package conform

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

var resumeCases = []Case{
	{Name: "resume/after-a-cut", Section: "lost-connection-reboot-restart-of-the-server", Level: Must, run: func(t *trial) {
		resumed(t, t.chunkSize)
	}},
	{Name: "resume/with-smaller-chunks", Section: "hello", Level: Must, run: func(t *trial) {
		resumed(t, func() uint32 { return max(t.chunkSize()/2, wire.MinChunk) })
	}},
	{Name: "resume/everything-is-there", Section: "offer", Level: Must, run: func(t *trial) {
		t.takesUpdates()
		m := t.toStore(20)
		t.withhold(wire.ReportStored)
		t.offered(m, t.chunkSize(), 0)
		t.stored(m, nil)
		t.cut(0)
		t.letGo()
		t.reconnected()
		p := t.hello.Partial
		if p == nil || p.Image != m.digest.Image() || p.Next < m.count(p.Chunk) {
			t.welcome(wire.Welcome{})
			t.skipf("the Hello after the cut does not say that the whole image is held (key 6); it says version %s", t.hello.Version)
		}
		t.welcome(wire.Welcome{Target: m.version})
		t.offerAgain(t.offer.Update, m, t.chunkSize(), m.count(t.chunkSize()))
		t.storedAndRun(m, func(want wire.Want) bool {
			t.failf("the device asked for chunk %d of an image it holds (Offer key 7 equals key 6)", want.First)
			return false
		})
	}},
	{Name: "resume/keeps-what-it-holds", Section: "hello", Level: Should, run: func(t *trial) {
		m, _ := t.cutInTheMiddle()
		if t.hello.Partial == nil || t.hello.Partial.Image != m.digest.Image() || t.hello.Partial.Next == 0 {
			t.failf("after a lost connection the Hello has no partial download (key 6): the image begins at chunk 0")
		}
	}},
}

// cut ends the device's connection once n more bytes went down.
func (t *trial) cut(n int64) {
	line := t.line
	line.tap.cutAfter(n)
	t.line = nil // the end is expected
	_ = line.send(wire.TopicWelcome, wire.Welcome{Time: time.Now(), Reason: wire.ReasonBusy}.Encode())
}

// cutInTheMiddle cuts the connection within a chunk, at about half of an image, and returns
// after the next Hello with the number of chunks that were sent whole.
func (t *trial) cutInTheMiddle() (m image, sent uint32) {
	t.takesUpdates()
	m = t.toStore(60)
	t.offered(m, t.chunkSize(), 0)
	line := t.line
	sent = min(t.hello.Window, t.offer.Count)
	for sent < t.offer.Count/2 {
		want := t.checkedWant(t.await(25*time.Second, "a Want", isKind(wire.TopicWant)))
		t.answer(m, want)
		sent = max(sent, want.First+want.Count)
	}
	t.await(25*time.Second, "a Want", isKind(wire.TopicWant))
	line.tap.cutAfter(int64(t.offer.Chunk) * 3 / 2)
	t.line = nil
	for i := sent; i < min(sent+3, t.offer.Count); i++ {
		_ = line.send(wire.TopicChunk, m.chunk(i, t.offer.Chunk)) // the second is cut
	}
	t.reconnected()
	return m, sent + 1
}

// resumed cuts a download and continues, in chunks of the size that unit gives, where the
// device says it is.
func resumed(t *trial, unit func() uint32) {
	m, sent := t.cutInTheMiddle()
	first, size := uint32(0), unit()
	if p := t.hello.Partial; p != nil && p.Image == m.digest.Image() {
		if bytes := int64(p.Next) * int64(p.Chunk); bytes > int64(sent)*int64(t.offer.Chunk) && p.Next > m.count(p.Chunk) {
			t.failf("the device says it holds %d chunks of %d bytes, %d were sent", p.Next, p.Chunk, sent)
		}
		first = min(p.Next*(p.Chunk/min(size, p.Chunk)), m.count(size))
		if p.Chunk < size {
			first = p.Next / (size / p.Chunk)
		}
	}
	t.welcome(wire.Welcome{Target: m.version})
	t.offerAgain(t.offer.Update, m, size, first)
	t.storedAndRun(m, nil)
}

var commandCases = []Case{
	{Name: "command/answered", Section: "commands", Level: Must, run: func(t *trial) {
		t.greet()
		t.welcome(wire.Welcome{})
		t.commanded(nextCommand())
	}},
	{Name: "command/repeated-is-answered-alike", Section: "commands", Level: Must, run: func(t *trial) {
		t.greet()
		t.welcome(wire.Welcome{})
		n := nextCommand()
		first := t.commanded(n)
		if again := t.commanded(n); !bytes.Equal(first, again) {
			t.failf("command %d was answered %q, and its repetition %q: it must not be executed again", n, first, again)
		}
	}},
}

// Numbers of commands begin with the time, so that they grow over runs of the bench: a device
// keeps the number of the highest one it executed.
var (
	firstCommand = uint32(time.Now().Unix())
	commands     atomic.Uint32 // numbered so far; benches may run at the same time
)

func nextCommand() uint32 { return firstCommand + commands.Add(1) }

func (t *trial) commanded(n uint32) []byte {
	topic := wire.Topic{Speaker: t.device, Kind: wire.TopicCommand, Number: n, Name: "conform"}
	if err := t.line.link.Send(topic, []byte("ping")); err != nil {
		t.failf("the device's connection ended: %v", err)
	}
	e := t.await(20*time.Second, fmt.Sprintf("the result of command %d", n), func(e event) bool {
		return isKind(wire.TopicDone)(e) && e.topic.Number == n
	})
	if e.qos != 1 {
		t.failf("the result of a command came with QoS %d, expected 1", e.qos)
	}
	return e.payload
}

var connectionCases = []Case{
	{Name: "connection/reconnects-with-jitter", Section: "connection", Level: Must, run: func(t *trial) {
		t.greet()
		t.welcome(wire.Welcome{})
		const refusals = 4
		t.Bench.mu.Lock()
		t.refuse = refusals
		t.Bench.mu.Unlock()
		t.cut(0)
		last, waits := time.Now(), []time.Duration(nil)
		for range refusals + 1 {
			e := t.await(40*time.Second, "the next attempt to connect", func(e event) bool { return e.kind == refused || e.kind == connected })
			waits = append(waits, e.at.Sub(last))
			last, t.line = e.at, e.line
			if e.kind == connected {
				break
			}
		}
		longest, total := time.Second, time.Duration(0)
		for i, wait := range waits {
			if slack := 3 * time.Second; wait > t.within(longest+slack) {
				t.failf("attempt %d came after %.1f s, at most %s is allowed", i+1, wait.Seconds(), longest)
			}
			longest, total = 2*longest, total+wait
		}
		if total < 300*time.Millisecond {
			t.failf("%d attempts within %.0f ms: wait a random time between 0 and b, with b doubling from 1 s", len(waits), float64(total.Milliseconds()))
		}
		t.greeted()
		t.welcome(wire.Welcome{})
	}},
}

// takeOver connects once with the device's id, as another unit with the same id would.
func (t *trial) takeOver() error {
	if t.config.TLS != nil {
		return errors.New("not over TLS")
	}
	conn, err := net.Dial("tcp", t.Addr().String())
	if err != nil {
		return err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second)) // reported by the read
	body := []byte("\x00\x04MQTT\x04\xc2\x00\x3c")         // MQTT 3.1.1 §3.1: clean session, user name, password, 60 s
	for _, field := range []string{t.device.String(), secondUser(t.device), t.config.Secret} {
		body = binary.BigEndian.AppendUint16(body, uint16(len(field)))
		body = append(body, field...)
	}
	if len(body) > 127 {
		return errors.New("the id and the secret are too long")
	}
	if _, err := conn.Write(append([]byte{0x10, byte(len(body))}, body...)); err != nil {
		return err
	}
	var connack [4]byte
	if _, err := io.ReadFull(conn, connack[:]); err != nil {
		return err
	}
	if connack[3] != 0 {
		return fmt.Errorf("refused with code %d", connack[3])
	}
	return nil
}

// secondUser is how the bench recognizes its own connection.
func secondUser(id fleet.DeviceID) string { return id.String() + "#" }
