package broker

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/muster-iot/muster/wire/mqtt"
)

func TestWillMayGoToOwnMessagesOnly(t *testing.T) {
	for _, topic := range []string{
		"d/d2/up/msg", "d/d1/up/hello", "d/d1/up/report", "d/d1/down/offer", "d/gw/b/d1/up/msg", "$SYS/broker", "d/d1/up/msg/#", "x",
	} {
		t.Run(strings.ReplaceAll(topic, "/", "."), func(t *testing.T) {
			bubble(t, Config{}, func(t *testing.T, b *Broker, cloud *cloud, version byte) {
				h := hello{id: "d1", user: "d1", password: "proof", flags: 0x04, willTopic: topic, willPayload: "gone"}
				want := map[byte]byte{mqtt.V311: returnNotAuthorized, mqtt.V5: codeTopicInvalid}[version]
				c := pipe(t, b, version)
				if ack := c.connect(h); ack.body[1] != want {
					t.Errorf("CONNACK %#x, want %#x", ack.body[1], want)
				}
				c.expectEnd("refused")
				cloud.nothingHeard(t)
			})
		})
	}
}

func TestWillIsTheDevicesLastMessage(t *testing.T) {
	for _, row := range []struct {
		name  string
		end   func(c *client)
		fires bool
	}{
		{"the network broke", func(c *client) { _ = c.conn.Close() }, true},
		{"the device sent DISCONNECT", func(c *client) { c.send([]byte{mqtt.Disconnect.Head(0), 0}) }, false},
		{"the device broke a rule", func(c *client) { c.send([]byte{0xF1, 0}) }, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			bubble(t, Config{}, func(t *testing.T, b *Broker, cloud *cloud, version byte) {
				c := pipe(t, b, version)
				c.connect(hello{id: "d1", user: "d1", password: "proof", flags: 0x04, willTopic: "d/d1/up/msg/will", willPayload: "gone",
					willProperties: []byte{24, 0, 0, 0, 9}}) // will delay: no session outlives the connection, so none
				row.end(c)
				s := <-cloud.came
				go c.drain()
				<-s.ended
				if got := len(cloud.heard) == 1; got != row.fires {
					t.Fatalf("the will was received: %v, want %v", got, row.fires)
				}
				if row.fires {
					if n := <-cloud.heard; n.topic.String() != "d/d1/up/msg/will" || n.payload != "gone" {
						t.Errorf("received %v", n)
					}
				}
			})
		})
	}
}

func TestDisconnectMayAskForTheWill(t *testing.T) {
	for _, row := range []struct {
		name  string
		body  []byte
		fires bool
	}{
		{"no reason", nil, false},
		{"reason 0", []byte{0}, false},
		{"reason 4", []byte{4}, true},
		{"reason 0 and properties", []byte{0, 0}, false},
		{"reason 4 and properties", []byte{4, 0}, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cloud := newCloud()
				c := pipe(t, start(t, Config{}, cloud), mqtt.V5)
				c.connect(hello{id: "d1", user: "d1", password: "proof", flags: 0x04, willTopic: "d/d1/up/msg", willPayload: "gone"})
				c.send(raw(mqtt.Disconnect.Head(0), row.body))
				<-(<-cloud.came).ended
				if got := len(cloud.heard) == 1; got != row.fires {
					t.Errorf("the will was received: %v, want %v", got, row.fires)
				}
			})
		})
	}
}
