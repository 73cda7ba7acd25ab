package cloud_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/muster-iot/muster/cloud"
	"github.com/muster-iot/muster/cloud/cloudtest"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/simulator/mqttlite"
	"github.com/muster-iot/muster/wire"
	"github.com/muster-iot/muster/wire/mqtt"
)

func TestADeviceThatConnectsAgainHasNoNewLimits(t *testing.T) {
	t.Parallel()
	w := serve(t)
	c := w.Enroll("lamp-1")[0]
	begun := time.Now()
	const connections = wire.RivalBurst
	hellos := w.Metric("muster_handshakes_total")
	for range connections {
		d := w.Dial(c)
		for range wire.HelloBurst {
			d.Send(wire.TopicHello, 0, wire.NewHello(fleet.WholeVersion(1)).Encode())
		}
		for range wire.MessageBurst {
			if _, err := d.Publish("d/lamp-1/up/msg/x", 0, []byte("x")); err != nil {
				break // the server has ended the connection
			}
		}
		_ = d.Close()
	}
	cloudtest.Until(t, "the last connection has ended", func() bool { return w.Metric("muster_connections") == 0 })
	seconds := time.Since(begun).Seconds()
	stored, _, err := w.Cloud.Store().Messages.List(t.Context(), fleet.MessageQuery{Team: 1, Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	if most := wire.MessageBurst + int(seconds/wire.MessageInterval.Seconds()) + 1; len(stored) > most {
		t.Errorf("got %d messages in %.1f s, want at most %d", len(stored), seconds, most)
	}
	if got, most := w.Metric("muster_handshakes_total")-hellos, wire.HelloBurst+seconds/wire.HelloInterval.Seconds()+1; got > most {
		t.Errorf("got %.0f handshakes in %.1f s, want at most %.0f", got, seconds, most)
	}
}

func TestTwoUnitsWithOneIDRaiseAnAlertWithBothAddresses(t *testing.T) {
	t.Parallel()
	w := serve(t, func(c *cloud.Config) { c.RivalBurst = 0 })
	w.UploadVersions(100_000, 1, 2)
	w.ReleaseVersion(2)
	c := w.Enroll("lamp-1")[0]
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan struct{}, 2)
	var dialing sync.Mutex // a unit connects when the other one has: none finds an older connection of its own
	for unit := range byte(2) {
		go func() {
			defer func() { ended <- struct{}{} }()
			for ctx.Err() == nil {
				dialing.Lock()
				conn, err := mqttlite.Dial(ctx, cloudtest.From(w.Broker(), unit+1), mqtt.Client{ID: string(c.ID), User: string(c.ID), Password: c.Secret})
				dialing.Unlock()
				if err != nil {
					continue
				}
				_, _ = conn.Publish("d/lamp-1/up/hello", 0, wire.NewHello(fleet.WholeVersion(1)).Encode())
				stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
				for err == nil { // until the other one has taken over
					_, err = conn.Read(time.Time{})
				}
				stop()
				_ = conn.Close()
			}
		}()
	}
	var alerts []fleet.Alert
	cloudtest.Until(t, "the alert is there", func() bool {
		var err error
		if alerts, _, err = w.Cloud.Store().Messages.Alerts(t.Context(), 1, "1/lamp-1", false, "", 10); err != nil {
			t.Fatal(err)
		}
		return len(alerts) > 0
	})
	cancel()
	<-ended
	<-ended
	if a := alerts[0]; len(alerts) != 1 || a.Name != "duplicate_id" || !strings.Contains(a.Text, "127.0.1.1") || !strings.Contains(a.Text, "127.0.1.2") {
		t.Errorf("got %+v, want one alert with both addresses", alerts)
	}
	if d := w.Record("lamp-1"); d.Attempts.Spent != 0 {
		t.Errorf("got %d attempts spent, want none", d.Attempts.Spent)
	}
	if n := w.Metric("muster_takeovers_total"); n > 2*wire.RivalBurst {
		t.Errorf("got %.0f takeovers, want about %d", n, wire.RivalBurst)
	}
}

// A team that sends too much is slowed down, and loses nothing.
func TestATeamsMessagesAreSlowedDownAboveItsRate(t *testing.T) {
	t.Parallel()
	w := serve(t, func(c *cloud.Config) { c.MQTT.TeamMessages = 2 })
	d := w.Dial(w.Enroll("lamp-1")[0])
	begun := time.Now()
	const count = 13 // 10 at once
	for range count {
		d.WaitAck(d.Send(wire.TopicMessage, 1, []byte("x")), nil)
	}
	if took, least := time.Since(begun), time.Second; took < least {
		t.Errorf("%d messages took %s, want at least %s", count, took, least)
	}
}
