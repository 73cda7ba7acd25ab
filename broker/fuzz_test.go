package broker

import (
	"io"
	"net"
	"testing"
	"time"

	"github.com/muster-iot/muster/wire/mqtt"
)

// FuzzConnection throws bytes at a connection, before and after a CONNECT that is let
// in: the broker stays up and keeps nothing of it.
func FuzzConnection(f *testing.F) {
	for _, version := range []byte{mqtt.V311, mqtt.V5} {
		good := connectPacket(version, hello{id: "gw", user: "gw", password: "proof", keepAlive: 60, flags: 0x04,
			willTopic: "d/gw/up/msg", willPayload: "x"})
		f.Add(version, false, good)
		f.Add(version, true, publishPacket(version, 1, 1, "d/gw/up/msg", []byte("x")))
		f.Add(version, true, publishPacket(version, 2, 1, "$SYS/x", []byte("x")))
		f.Add(version, true, subscribePacket(version, 1, "d/gw/down/#", "$share/g/#"))
		f.Add(version, true, raw(0xA2, []byte{0, 5}, properties(version, nil), text("d/gw/down/#")))
		f.Add(version, true, []byte{0xC0, 0, mqtt.Disconnect.Head(0), 1, 4})
		f.Add(version, true, raw(0x82, []byte{0, 1, 0}, text("d/gw/down/#")))
		f.Add(version, true, []byte{0xF0, 2, 0x18, 0})
		f.Add(version, true, []byte{0x50, 2, 0, 1})
	}
	cloud := newCloud()
	cloud.receive = func(*session, note) error { <-cloud.heard; return nil } // makes room for itself
	cloud.heard <- note{}
	cloud.begin = func(*session) { <-cloud.came } // makes room for itself
	cloud.came <- nil
	b := start(f, Config{ConnectTimeout: time.Minute}, cloud)
	f.Fuzz(func(t *testing.T, version byte, admitted bool, data []byte) {
		if version != mqtt.V5 {
			version = mqtt.V311
		}
		c, ended := attached(t, b, version)
		if admitted {
			c.join("gw")
		}
		go func() { _, _ = io.Copy(io.Discard, c.r) }()
		_, _ = c.conn.Write(data)
		_ = c.conn.Close()
		<-ended
		other, ended := attached(t, b, version)
		other.join("other")
		_ = other.conn.Close()
		<-ended
		s := b.Stats()
		if s.Connections != 0 || s.Pending != 0 {
			t.Errorf("left behind: %+v", s)
		}
		cloud.mu.Lock()
		cloud.sessions, cloud.journal = nil, nil
		cloud.mu.Unlock()
	})
}

// attached is a client on a new connection to b, and what is closed when that has ended.
func attached(t *testing.T, b *Broker, version byte) (c *client, ended chan struct{}) {
	near, far := net.Pipe()
	ended = make(chan struct{})
	go func() {
		defer close(ended)
		b.Attach(far)
	}()
	return newClient(t, near, version), ended
}
