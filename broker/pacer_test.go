//nolint:forbidigo // all sleeps are in synctest bubbles
package broker

import (
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/muster-iot/muster/wire"
	"github.com/muster-iot/muster/wire/mqtt"
)

func TestADeviceThatConnectsTooOftenWaitsForCONNACK(t *testing.T) {
	bubble(t, Config{ConnectBurst: 3, ConnectInterval: 5 * time.Second}, func(t *testing.T, b *Broker, _ *cloud, version byte) {
		for i, want := range []time.Duration{0, 0, 0, 5 * time.Second, 5 * time.Second} {
			begun := time.Now()
			c := pipe(t, b, version).join("d1")
			if took := time.Since(begun); took != want {
				t.Errorf("connection %d: CONNACK after %s, want %s", i+1, took, want)
			}
			_ = c.conn.Close()
			synctest.Wait()
		}
		begun := time.Now()
		pipe(t, b, version).join("d2")
		if took := time.Since(begun); took != 0 {
			t.Errorf("another device: CONNACK after %s", took)
		}
		if n := b.Stats().Paused; n != 2 {
			t.Errorf("got %d paused, want 2", n)
		}
	})
}

// Two units with one id, each of which connects again as soon as its connection ends.
func TestTwoUnitsWithOneIDAreSlowedDownAndReported(t *testing.T) {
	for _, patience := range []time.Duration{5 * time.Second, 5 * time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			cloud := newCloud()
			b := start(t, Config{RivalBurst: wire.RivalBurst}, cloud)
			var accepted atomic.Int64
			done := make(chan struct{})
			ended := make(chan struct{}, 2)
			for range 2 {
				go func() {
					defer func() { ended <- struct{}{} }()
					for {
						select {
						case <-done:
							return
						default:
						}
						c := pipe(t, b, mqtt.V311)
						_ = c.conn.SetDeadline(time.Now().Add(patience))
						if _, err := c.conn.Write(connectPacket(mqtt.V311, hello{id: "d1", user: "d1", password: "proof"})); err == nil {
							if _, err := c.conn.Read(make([]byte, 4)); err == nil {
								accepted.Add(1)
								_ = c.conn.SetDeadline(time.Time{})
								_, _ = c.conn.Read(make([]byte, 1)) // until it is thrown out
							}
						}
						_ = c.conn.Close()
						time.Sleep(10 * time.Millisecond)
					}
				}()
			}
			time.Sleep(10 * time.Minute)
			if n := accepted.Load(); n > wire.RivalBurst+62 {
				t.Errorf("patience %s: got %d connections in 10 minutes, want about one per %s", patience, n, wire.RivalInterval)
			}
			cloud.mu.Lock()
			reported := strings.Contains(strings.Join(cloud.journal, "\n"), "rival d1#")
			cloud.mu.Unlock()
			if !reported {
				t.Error("the cloud was not notified")
			}
			close(done)
			b.stop()
			<-ended
			<-ended
		})
	}
}

// A device that lost its link does not wait for a connection that is dead.
func TestADeviceWhoseLinkBreaksOftenIsNotSlowedDown(t *testing.T) {
	bubble(t, Config{RivalBurst: wire.RivalBurst}, func(t *testing.T, b *Broker, _ *cloud, version byte) {
		for i := range 20 {
			begun := time.Now()
			pipe(t, b, version).join("d1") // and never closes
			if took := time.Since(begun); took > time.Second {
				t.Errorf("connection %d: CONNACK after %s", i+1, took)
			}
			time.Sleep(alive + time.Second)
		}
	})
}

// A waiting connection whose device gave up does not end the one that works.
func TestAConnectionThatGaveUpWaitingEndsNobodys(t *testing.T) {
	bubble(t, Config{RivalBurst: 1}, func(t *testing.T, b *Broker, _ *cloud, version byte) {
		first := pipe(t, b, version).join("d1")
		go first.drain()
		second := pipe(t, b, version).join("d1")
		third := pipe(t, b, version)
		third.send(connectPacket(version, hello{id: "d1", user: "d1", password: "proof"}))
		synctest.Wait()
		_ = third.conn.Close()
		time.Sleep(wire.TakeoverPause)
		second.ping()
	})
}

func TestEveryKindOfPacketIsLimited(t *testing.T) {
	for name, packet := range map[string]func(version byte) []byte{
		"pings":            func(byte) []byte { return []byte{mqtt.PingReq.Head(0), 0} },
		"denied publishes": func(version byte) []byte { return publishPacket(version, 0, 0, "d/other/up/msg", nil) },
		"acknowledgements": func(byte) []byte { return []byte{mqtt.PubAck.Head(0), 2, 0, 1} },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, Config{}, func(t *testing.T, b *Broker, _ *cloud, version byte) {
				c := pipe(t, b, version).join("d1")
				go func() {
					for {
						if _, err := c.conn.Write(packet(version)); err != nil {
							return
						}
					}
				}()
				c.drain()
				synctest.Wait() // the end is counted after the connection is closed
				if n := b.Stats().Ended[codeQuota]; n != 1 {
					t.Errorf("got %v, want the connection ended for its rate", b.Stats().Ended)
				}
			})
		})
	}
}
