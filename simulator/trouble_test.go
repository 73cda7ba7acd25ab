package simulator

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/simulator/mqttlite"
	"github.com/muster-iot/muster/wire"
	"github.com/muster-iot/muster/wire/mqtt"
)

// runFor is what a fleet came to whose time is over.
func runFor(t *testing.T, d time.Duration, config Config) *Fleet {
	t.Helper()
	f, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	f.Run(ctx)
	return f
}

func (f *Fleet) reasons() map[fleet.DeviceID]string {
	all := map[fleet.DeviceID]string{}
	for _, w := range f.Verdict(func(fleet.DeviceID) (Expectation, bool) { return Expectation{}, true }).Wrong {
		all[w.Device] = w.Reason
	}
	return all
}

// attaches answers connections, Hellos and attaches of gateways; the latter with outcomes.
func (c *cloud) attaches(outcomes func(fleet.DeviceID) []wire.AttachOutcome) {
	for l := range c.links {
		c.t.Cleanup(l.close)
		go func() {
			for m := range l.in {
				switch {
				case m.kind == mqtt.Connect:
					l.device = fleet.DeviceID(fields(m.payload[10:])[0])
					l.send([]byte{mqtt.ConnAck.Head(0), 2, 0, 0})
				case m.kind == mqtt.Publish && m.topic.Kind == wire.TopicHello:
					h, _ := wire.DecodeHello(m.payload)
					l.welcome(h)
				case m.kind == mqtt.Publish && m.topic.Kind == wire.TopicAttach:
					a, _ := wire.DecodeAttach(m.payload)
					if told := outcomes(a.IDs[0]); told != nil {
						l.tell(wire.TopicAttached, wire.Attached{Outcomes: told}.Encode())
					}
					l.ack(m)
				}
			}
		}()
	}
}

func TestTheEndOfARunHidesNoTrouble(t *testing.T) {
	devices := []Credential{{ID: "gw", Secret: "x"}, {ID: "ble", Gateway: "gw"}}
	refused := "connection refused: not authorised (5)"
	for _, row := range []struct {
		name  string
		cloud func(c *cloud)
		want  map[fleet.DeviceID]string
	}{
		{"the cloud attaches nobody", func(c *cloud) {
			c.attaches(func(id fleet.DeviceID) []wire.AttachOutcome {
				return []wire.AttachOutcome{{ID: id, Reason: wire.ReasonNotAttached}}
			})
		}, map[fleet.DeviceID]string{
			"gw": "it was offered nothing", "ble": "it never got a Welcome; not attached to gw: " + wire.ReasonText(wire.ReasonNotAttached),
		}},
		{"the gateway is not one", func(c *cloud) {
			c.attaches(func(fleet.DeviceID) []wire.AttachOutcome { return nil })
		}, map[fleet.DeviceID]string{
			"gw": "it was offered nothing", "ble": "it never got a Welcome; not attached to gw, which is not a gateway: its attach was acknowledged without effect",
		}},
		{"the gateway is refused", func(c *cloud) {
			for l := range c.links {
				c.t.Cleanup(l.close)
				l.send([]byte{mqtt.ConnAck.Head(0), 2, 0, 5})
			}
		}, map[fleet.DeviceID]string{
			"gw": "it never got a Welcome; " + refused, "ble": "it never got a Welcome; its gateway gw is not connected",
		}},
		{"the cloud says nothing", func(c *cloud) {
			for l := range c.links {
				c.t.Cleanup(l.close)
			}
		}, map[fleet.DeviceID]string{
			"gw": "it never got a Welcome; " + cutShort, "ble": "it never got a Welcome; its gateway gw is not connected",
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCloud(t)
				go row.cloud(c)
				t.Cleanup(func() { close(c.links) })
				f := runFor(t, mqttlite.ConnectTimeout-time.Second, Config{Broker: mqttlite.Broker{Dialer: c.dial}, Devices: devices})
				if got := f.reasons(); fmt.Sprint(got) != fmt.Sprint(row.want) {
					t.Errorf("got %q, want %q", got, row.want)
				}
			})
		})
	}
}

func TestSnapshotNamesTheCommonestTrouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var dials atomic.Int64
		dial := func(context.Context) (net.Conn, error) {
			n := int(dials.Add(1))
			if n == 2 {
				return nil, errors.New("no route")
			}
			from := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 40_000 + n}
			return nil, &net.OpError{Op: "dial", Net: "tcp", Source: from, Addr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1}, Err: errors.New("refused")}
		}
		f := runFor(t, time.Microsecond, Config{Broker: mqttlite.Broker{Dialer: dial}, Devices: credentials(4), Ramp: 1e9})
		if s := f.Snapshot(); s.Trouble != "dial tcp 127.0.0.1:1: refused" || s.Troubled != 3 {
			t.Errorf("got %q of %d devices", s.Trouble, s.Troubled)
		}
		v := f.Verdict(func(id fleet.DeviceID) (Expectation, bool) {
			return Expectation{Version: f.byID[id].status().Running}, true
		})
		if v.OK || len(v.Wrong) != 4 {
			t.Errorf("got %+v: no device has asked what it should run", v)
		}
	})
}

func TestRestartsAndFaultsAreNoTrouble(t *testing.T) {
	play(t, quick, func(s *scene) {
		l, _ := s.greet()
		for _, disturb := range []func(...fleet.DeviceID){s.fleet.Disconnect, s.fleet.PowerCycle} {
			s.settled()
			disturb()
			l.expectEnd(false)
			synctest.Wait()
			if now := s.fleet.Snapshot(); now.Online != 0 || now.Trouble != "" {
				s.t.Errorf("got %d online, trouble %q", now.Online, now.Trouble)
			}
			l, _ = s.greet()
		}
	})
}
