package broker

import (
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire/mqtt"
)

func TestPanicEndsOneConnection(t *testing.T) {
	boom := func() { panic("boom") }
	for _, row := range []struct {
		name string
		plan func(c *cloud)
		gone int // sessions
	}{
		{"in Admit", func(c *cloud) {
			c.admit = func(k Connect) error {
				if k.ID == "d1" {
					boom()
				}
				return nil
			}
		}, 0},
		{"in Begin", func(c *cloud) {
			c.begin = func(s *session) {
				if s.connect.ID == "d1" {
					boom()
				}
			}
		}, 1},
		{"in Receive", func(c *cloud) { c.receive = func(*session, note) error { boom(); return nil } }, 1},
		{"in a chunk source", func(c *cloud) {
			c.receive = func(s *session, n note) error {
				s.link().Chunks(topicOf(t, "d/d1/down/chunk")).Send(new(image), 0, 1) // has no chunk 0
				return nil
			}
		}, 1},
	} {
		t.Run(row.name, func(t *testing.T) {
			bubble(t, Config{}, func(t *testing.T, b *Broker, cloud *cloud, version byte) {
				row.plan(cloud)
				other := pipe(t, b, version).join("d2")
				c := pipe(t, b, version)
				go func() {
					for _, p := range [][]byte{
						connectPacket(version, hello{id: "d1", user: "d1", password: "proof"}),
						publishPacket(version, 0, 0, "d/d1/up/msg", []byte("x")),
					} {
						_, _ = c.conn.Write(p)
					}
				}()
				c.drain()
				synctest.Wait()
				gone := 0
				cloud.mu.Lock()
				for _, line := range cloud.journal {
					if strings.HasPrefix(line, "gone d1#") {
						gone++
					}
				}
				cloud.mu.Unlock()
				if gone != row.gone {
					t.Errorf("%d sessions gone, want %d", gone, row.gone)
				}
				if n := b.Stats().Panics; n != 1 {
					t.Errorf("%d panics counted, want 1", n)
				}
				other.ping()
				cloud.admit, cloud.begin, cloud.receive = nil, nil, nil
				pipe(t, b, version).join("d1") // the seat is free
			})
		})
	}
}

func TestPacketThatMakesTheDecoderPanicEndsOneConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, Config{}, newCloud())
		other := pipe(t, b, mqtt.V5).join("d2")
		c := pipe(t, b, mqtt.V5).join("d1")
		c.send(raw(0x82, []byte{0, 1, 0}, text("d/d1/down/#"))) // options missing: the library reads past the end
		c.drain()
		other.ping()
	})
}

func TestShutdownEndsEverything(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, b *Broker, cloud *cloud, version byte) {
		idle := pipe(t, b, version).join("d1")
		stalled := pipe(t, b, version).join("d2")
		<-cloud.came
		s := <-cloud.came
		im := newImage(8, 128)
		im.shut()
		s.link().Chunks(topicOf(t, "d/d2/down/chunk")).Send(im, 0, 8) // waits for chunks
		silent := pipe(t, b, version)                                 // before CONNECT
		willing := pipe(t, b, version)
		willing.connect(hello{id: "d3", user: "d3", password: "proof", flags: 0x04, willTopic: "d/d3/up/msg", willPayload: "gone"})
		go stalled.drain()
		go silent.drain()
		go willing.drain()
		synctest.Wait()
		go idle.expectFarewell("shutting down", codeShuttingDown)
		begun := time.Now()
		stop(t, b, cloud) // looks at what is left
		if took := time.Since(begun); took > time.Second {
			t.Errorf("took %v", took)
		}
		cloud.nothingHeard(t) // a will is not for the server's own restart
		late := pipe(t, b, version)
		late.expectEnd("after Shutdown")
		if _, err := b.ListenTCP("127.0.0.1:0"); err == nil {
			t.Error("Listen after Shutdown: no error")
		}
	})
}

func TestCloseTellsMQTT5Why(t *testing.T) {
	for _, row := range []struct {
		kind fleet.Kind
		code byte
	}{
		{fleet.Disabled, codeAdministrative}, {fleet.NotFound, codeAdministrative}, {fleet.Conflict, codeTakenOver}, {fleet.Busy, codeQuota},
	} {
		t.Run(string(row.kind), func(t *testing.T) {
			bubble(t, Config{}, func(t *testing.T, b *Broker, cloud *cloud, version byte) {
				c := pipe(t, b, version).join("d1")
				s := <-cloud.came
				synctest.Wait()
				go s.link().Close(row.kind)
				c.expectFarewell("closed", row.code)
				<-s.ended
				s.link().Close(row.kind) // twice is as good as once
				s.link().Chunks(topicOf(t, "d/d1/down/chunk")).Send(newImage(1, 128), 0, 1)
			})
		})
	}
}

// Whatever a connection has read when the broker stops. The race detector judges.
func TestShutdownMeetsConnects(t *testing.T) {
	for range 50 {
		b := New(bounded(Config{}), newCloud(), slog.New(slog.DiscardHandler))
		var writing sync.WaitGroup
		for range 4 {
			c := pipe(t, b, mqtt.V5)
			writing.Go(func() {
				_, _ = c.conn.Write(connectPacket(mqtt.V5, hello{id: "d1", user: "d1", password: "wrong"}))
			})
		}
		if err := b.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		writing.Wait()
	}
}
