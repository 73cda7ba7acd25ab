//nolint:forbidigo // all sleeps are in synctest bubbles
package broker

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/muster-iot/muster/broker/chunkio"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire/mqtt"
)

func TestRefusalsHaveTheRightCodes(t *testing.T) {
	for _, row := range []struct {
		name     string
		hello    hello
		err      error
		v311, v5 byte
	}{
		{"unauthenticated", hello{id: "d1"}, fleet.Errorf(fleet.Unauthenticated, "x"), 5, 0x87},
		{"empty password", hello{id: "d1", user: "d1", flags: 0x40}, fleet.Errorf(fleet.Unauthenticated, "x"), 5, 0x87},
		{"disabled", hello{id: "d1"}, fleet.Errorf(fleet.Disabled, "x"), 5, 0x8A},
		{"busy", hello{id: "d1"}, fleet.Errorf(fleet.Busy, "x"), 3, 0x89},
		{"store unavailable", hello{id: "d1"}, fleet.Errorf(fleet.Unavailable, "x"), 3, 0x89},
		{"anything else", hello{id: "d1"}, fmt.Errorf("x"), 3, 0x89},
		{"not a device id", hello{id: "d/1"}, nil, 2, 0x85},
		{"no id", hello{}, nil, 2, 0x85},
		{"no id, lasting", hello{lasting: true}, nil, 2, 0x85},
		{"will QoS 2 in MQTT 5", hello{id: "d1", flags: 0x04 | 2<<3, willTopic: "d/d1/up/msg", willPayload: "x"}, nil, 0, 0x9B},
		{"will retain in MQTT 5", hello{id: "d1", flags: 0x04 | 1<<5, willTopic: "d/d1/up/msg", willPayload: "x"}, nil, 0, 0x9A},
		{"empty will", hello{id: "d1", flags: 0x04, willTopic: "d/d1/up/msg"}, nil, 0, 0},
		{"enhanced authentication", hello{id: "d1", properties: append([]byte{21}, text("SCRAM")...)}, nil, 0, 0x8C},
	} {
		t.Run(row.name, func(t *testing.T) {
			bubble(t, Config{}, func(t *testing.T, b *Broker, cloud *cloud, version byte) {
				cloud.admit = func(Connect) error { return row.err }
				c := pipe(t, b, version)
				ack := c.connect(row.hello)
				want := map[byte]byte{mqtt.V311: row.v311, mqtt.V5: row.v5}[version]
				if ack.body[1] != want {
					t.Errorf("CONNACK %#x, want %#x", ack.body[1], want)
				}
				if version != mqtt.V5 && len(ack.body) != 2 {
					t.Errorf("CONNACK of %d bytes, want 2", len(ack.body))
				}
				if want != 0 {
					c.expectEnd("refused")
				}
			})
		})
	}
}

func TestUnknownVersionsAreRefused(t *testing.T) {
	for _, row := range []struct {
		name   string
		packet []byte
		ack    []byte
	}{
		{"3.1", raw(0x10, text("MQIsdp"), []byte{3, 2, 0, 60}, text("d1")), []byte{0, 1}},
		{"6", raw(0x10, text("MQTT"), []byte{6, 2, 0, 60}, text("d1")), []byte{0, 1}},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := pipe(t, start(t, Config{}, newCloud()), mqtt.V311)
				c.send(row.packet)
				c.expect("CONNACK", mqtt.ConnAck.Head(0), row.ack...)
				c.expectEnd("refused")
			})
		})
	}
}

func TestSilenceBeforeConnectEnds(t *testing.T) {
	connect := connectPacket(mqtt.V311, hello{id: "d1", user: "d1", password: "proof"})
	for _, row := range []struct {
		name string
		ends time.Duration
		send func(c *client)
	}{
		{"nothing sent", 2 * time.Second, func(*client) {}},
		{"half a CONNECT", 5 * time.Second, func(c *client) { c.send(connect[:len(connect)-1]) }},
		{"byte after byte", 5 * time.Second, func(c *client) {
			for _, one := range connect {
				if _, err := c.conn.Write([]byte{one}); err != nil {
					return
				}
				time.Sleep(time.Second)
			}
		}},
		{"an endless length", 300 * time.Millisecond, func(c *client) { // the fourth byte has to be the last
			c.send([]byte{0x10})
			for {
				if _, err := c.conn.Write([]byte{0x80}); err != nil {
					return
				}
				time.Sleep(100 * time.Millisecond)
			}
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := pipe(t, start(t, Config{}, newCloud()), mqtt.V311)
				begun := time.Now()
				sent := make(chan struct{})
				go func() {
					defer close(sent)
					row.send(c)
				}()
				c.expectEnd("silent")
				if took := time.Since(begun); took != row.ends {
					t.Errorf("ended after %v, want %v", took, row.ends)
				}
				<-sent
			})
		})
	}
}

func TestLengthsBeforeConnectAllocateNothing(t *testing.T) {
	b := start(t, Config{}, newCloud())
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	const connections = 50
	for range connections {
		c := pipe(t, b, mqtt.V311)
		c.send([]byte{0x10, 0xFF, 0xFF, 0xFF, 0x7F})
		c.expectEnd("268 MB announced")
	}
	runtime.ReadMemStats(&after)
	if per := (after.TotalAlloc - before.TotalAlloc) / connections; per > 64<<10 {
		t.Errorf("%d bytes allocated per connection, want no more than 64 KiB", per)
	}
}

func TestMaxConnections(t *testing.T) {
	bubble(t, Config{MaxConnections: 1}, func(t *testing.T, b *Broker, cloud *cloud, version byte) {
		pipe(t, b, version).join("d1")
		c := pipe(t, b, version)
		want := map[byte]byte{mqtt.V311: 3, mqtt.V5: 0x89}[version]
		if ack := c.connect(hello{id: "d2", user: "d2", password: "proof"}); ack.body[1] != want {
			t.Errorf("CONNACK %#x, want %#x", ack.body[1], want)
		}
		for _, id := range []string{"d1", "d2"} { // online, and one too many
			stranger := pipe(t, b, version)
			want := map[byte]byte{mqtt.V311: 5, mqtt.V5: 0x87}[version]
			if ack := stranger.connect(hello{id: id, user: id, password: "guess"}); ack.body[1] != want {
				t.Errorf("%s without a proof: CONNACK %#x, want %#x", id, ack.body[1], want)
			}
		}
		again := pipe(t, b, version)
		again.join("d1") // a device that is online may always come back
	})
}

func TestMaxConnectionsHoldsWhenManyAreAdmittedAtOnce(t *testing.T) {
	bubble(t, Config{MaxConnections: 1}, func(t *testing.T, b *Broker, cloud *cloud, version byte) {
		var both sync.WaitGroup // are being admitted
		both.Add(2)
		cloud.admit = func(Connect) error {
			both.Done()
			both.Wait()
			return nil
		}
		codes := make(chan byte, 2)
		for _, id := range []string{"d1", "d2"} {
			c := pipe(t, b, version)
			go func() { codes <- c.connect(hello{id: id, user: id, password: "proof"}).body[1] }()
		}
		if a, b := <-codes, <-codes; min(a, b) != 0 || max(a, b) != map[byte]byte{mqtt.V311: 3, mqtt.V5: 0x89}[version] {
			t.Errorf("CONNACK %#x and %#x, want one let in", a, b)
		}
	})
}

// TestTheLogSaysWhyAConnectionWasRefused, which the peer does not learn.
func TestTheLogSaysWhyAConnectionWasRefused(t *testing.T) {
	var log bytes.Buffer
	cloud := newCloud()
	cloud.admit = func(Connect) error { return fleet.Errorf(fleet.Unauthenticated, "not authenticated: wrong_secret") }
	b := New(bounded(Config{}), cloud, slog.New(slog.NewTextHandler(&log, nil)))
	l := &Link{broker: b, id: "d1", version: mqtt.V5, address: "192.0.2.1"}
	l.out = chunkio.NewWriter(discard{}, nil, owner{l}, &b.count.sent)
	for _, row := range []struct {
		code byte
		why  error
		want string
	}{
		{codeNotAuthorized, cloud.admit(Connect{}), `device=d1 address=192.0.2.1 code=0x87 err="not authenticated: wrong_secret"`},
		{codeTopicInvalid, nil, `code=0x90 err="its will is not one of its own messages"`},
		{codeBusy, nil, `code=0x89 err="no room for another connection"`},
	} {
		log.Reset()
		if err := l.refuse(row.code, row.why); !errors.Is(err, errRefused) || !strings.Contains(log.String(), row.want) {
			t.Errorf("got %v, logged %s, want %s", err, log.String(), row.want)
		}
	}
}

// discard is a transport that takes all.
type discard struct{ net.Conn }

func (discard) Write(p []byte) (int, error) { return len(p), nil }

func TestKeepAliveHasALimit(t *testing.T) {
	for _, row := range []struct {
		asked uint16
		ends  time.Duration
	}{
		{0, 150 * time.Second}, {65535, 150 * time.Second}, {101, 150 * time.Second}, {100, 150 * time.Second}, {10, 15 * time.Second},
	} {
		t.Run(fmt.Sprint(row.asked), func(t *testing.T) {
			bubble(t, Config{MaxKeepAlive: 100 * time.Second}, func(t *testing.T, b *Broker, cloud *cloud, version byte) {
				c := pipe(t, b, version)
				c.connect(hello{id: "d1", user: "d1", password: "proof", keepAlive: row.asked})
				time.Sleep(row.ends - time.Second)
				c.ping() // any packet counts as life
				begun := time.Now()
				c.expectFarewell("silent", codeKeepAlive)
				if took := time.Since(begun); took != row.ends {
					t.Errorf("ended after %v, want %v", took, row.ends)
				}
			})
		})
	}
}

func TestLongestKeepAliveFitsIntoConnack(t *testing.T) {
	cfg := Config{MaxKeepAlive: 24 * time.Hour}.withDefaults()
	if granted := time.Duration(cfg.keepAlive()) * time.Second; granted != maxKeepAlive {
		t.Errorf("keep-alive %v, want %v: 16 bits of seconds hold no more than 18 h", granted, maxKeepAlive)
	}
}

func TestPasswordIsNotKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cloud := newCloud()
		b := start(t, Config{}, cloud)
		pipe(t, b, mqtt.V311).join("d1")
		s := <-cloud.came
		if string(s.connect.Password) != "\x00\x00\x00\x00\x00" {
			t.Errorf("password %q, want it overwritten", s.connect.Password)
		}
	})
}

func TestNothingGoesBeforeConnack(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, b *Broker, cloud *cloud, version byte) {
		cloud.begin = func(s *session) {
			if err := s.link().Send(topicOf(t, "d/d1/down/cmd/1"), []byte("x")); err != nil {
				t.Error(err)
			}
			s.link().Chunks(topicOf(t, "d/d1/down/chunk")).Send(newImage(3, 128), 0, 3)
		}
		c := pipe(t, b, version).join("d1") // CONNACK is the first packet
		if topic, _ := c.published(); topic != "d/d1/down/cmd/1" {
			t.Errorf("got %s first", topic)
		}
		for i := range 3 {
			c.expectChunk("d/d1/down/chunk", uint32(i))
		}
	})
}
