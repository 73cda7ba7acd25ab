//nolint:forbidigo // all sleeps are in synctest bubbles
package mqttlite

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/muster-iot/muster/wire"
	"github.com/muster-iot/muster/wire/mqtt"
)

// pair is an open Conn and the other side's raw connection.
func pair(t *testing.T, keepAlive time.Duration) (*Conn, net.Conn) {
	t.Helper()
	near, far := net.Pipe()
	t.Cleanup(func() { _ = far.Close() })
	go func() {
		exchange(far, []byte{mqtt.ConnAck.Head(0), 2, 0, 0})
	}()
	c, err := Open(t.Context(), near, mqtt.Client{ID: "dev-1", User: "dev-1", Password: "x", KeepAlive: keepAlive})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c, far
}

// exchange reads one packet and writes b.
func exchange(nc net.Conn, b []byte) {
	_, _ = nc.Read(make([]byte, 1024))
	_, _ = nc.Write(b)
}

func TestConnReadsPacketsOfEverySizeHoweverTheyAreCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, far := pair(t, 0)
		r := rand.New(rand.NewPCG(1, 2))
		var stream []byte
		var sizes []int
		for range 200 {
			size := []int{0, 1, 100, 480, 520, 4096, 16 << 10, 33 << 10, wire.MaxChunk}[r.IntN(9)]
			sizes = append(sizes, size)
			stream = mqtt.AppendPublish(stream, mqtt.V311, "d/dev-1/down/chunk", 0, 0, bytes.Repeat([]byte{byte(size)}, size))
		}
		go func() {
			for len(stream) > 0 {
				n := min(1+r.IntN(9000), len(stream))
				_, _ = far.Write(stream[:n])
				stream = stream[n:]
				time.Sleep(time.Millisecond)
			}
		}()
		for i, size := range sizes {
			p, err := c.Read(time.Now().Add(10 * time.Microsecond))
			for errors.Is(err, os.ErrDeadlineExceeded) { // also in the middle of a packet
				p, err = c.Read(time.Now().Add(100 * time.Microsecond))
			}
			if err != nil {
				t.Fatal(err)
			}
			if string(p.Topic) != "d/dev-1/down/chunk" || !bytes.Equal(p.Payload, bytes.Repeat([]byte{byte(size)}, size)) {
				t.Fatalf("packet %d: got topic %s, %d bytes; want %d bytes", i, p.Topic, len(p.Payload), size)
			}
		}
		if _, err := c.Read(time.Now().Add(time.Second)); !errors.Is(err, os.ErrDeadlineExceeded) || c.pooled != nil {
			t.Errorf("idle: got %v, a pooled buffer held: %v", err, c.pooled != nil)
		}
	})
}

func TestConnPingsAndGivesUpWithoutAnAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, far := pair(t, time.Minute)
		start := time.Now()
		go func() {
			exchange(far, []byte{mqtt.PingResp.Head(0), 0})
			_, _ = far.Read(make([]byte, 10)) // the second one stays without an answer
		}()
		_, err := c.Read(time.Time{})
		if took := time.Since(start); err == nil || !strings.Contains(err.Error(), "ping") || took != 2*45*time.Second+PingTimeout {
			t.Errorf("got %v after %v, want two pings, then an end", err, took)
		}
	})
}

func TestWakeEndsOneRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, far := pair(t, 0)
		c.Wake()
		if _, err := c.Read(time.Time{}); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("woken before: got %v", err)
		}
		go func() { time.Sleep(time.Second); c.Wake() }()
		if _, err := c.Read(time.Time{}); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("woken within: got %v", err)
		}
		go func() { _, _ = far.Write([]byte{mqtt.PubAck.Head(0), 2, 1, 2}) }()
		if p, err := c.Read(time.Time{}); err != nil || p.Kind != mqtt.PubAck || p.ID != 0x102 {
			t.Errorf("after: got %+v, %v", p, err)
		}
	})
}

func TestConnAcknowledgesWhatComesAtQoS1(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, far := pair(t, 0)
		got := make(chan []byte)
		go func() {
			_, _ = far.Write(mqtt.AppendPublish(nil, mqtt.V311, "t", 1, 77, []byte("hi")))
			b := make([]byte, 10)
			n, _ := far.Read(b)
			got <- b[:n]
		}()
		if p, err := c.Read(time.Time{}); err != nil || string(p.Payload) != "hi" || p.ID != 77 {
			t.Errorf("got %+v, %v", p, err)
		}
		if ack := <-got; !bytes.Equal(ack, []byte{mqtt.PubAck.Head(0), 2, 0, 77}) {
			t.Errorf("got %x, want a PUBACK of 77", ack)
		}
	})
}

func TestConnEndsOnWhatIsNotMQTT(t *testing.T) {
	for _, row := range []struct {
		name string
		data []byte
	}{
		{"too long", []byte{0x30, 0xff, 0xff, 0xff, 0x7f}},
		{"length without end", []byte{0x30, 0xff, 0xff, 0xff, 0xff}},
		{"topic past the end", []byte{0x30, 3, 0, 9, 'a'}},
		{"no topic", []byte{0x30, 1, 0}},
		{"QoS 3", []byte{0x36, 5, 0, 1, 'a', 0, 1}},
		{"short PUBACK", []byte{0x40, 1, 0}},
		{"short SUBACK", []byte{0x90, 2, 0, 1}},
		{"a packet of clients", []byte{0x82, 0}},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, far := pair(t, 0)
				go func() { _, _ = far.Write(row.data) }()
				if p, err := c.Read(time.Now().Add(time.Second)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("got %+v, %v; want an error", p, err)
				}
			})
		})
	}
}

func TestOpenSaysWhyItWasRefused(t *testing.T) {
	for _, row := range []struct {
		name, want string
		answer     []byte
	}{
		{"refused", "connection refused: server unavailable (3)", []byte{mqtt.ConnAck.Head(0), 2, 0, 3}},
		{"unknown code", "connection refused: code 99", []byte{mqtt.ConnAck.Head(0), 2, 0, 99}},
		{"another packet", "packet type 13 instead of CONNACK", []byte{mqtt.PingResp.Head(0), 0}},
		{"silence", "waiting for CONNACK: i/o timeout", nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, far := net.Pipe()
				t.Cleanup(func() { _ = far.Close() })
				go exchange(far, row.answer)
				if _, err := Open(t.Context(), near, mqtt.Client{ID: "x"}); err == nil || err.Error() != row.want {
					t.Errorf("got %v, want %s", err, row.want)
				}
			})
		})
	}
}

func TestOpenEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		t.Cleanup(func() { _ = far.Close() })
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		go func() { _, _ = far.Read(make([]byte, 100)) }()
		if _, err := Open(ctx, near, mqtt.Client{ID: "x"}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}
