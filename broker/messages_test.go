package broker

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
	"github.com/muster-iot/muster/wire/mqtt"
)

// bubble runs a test with a broker on fake time, for each version of MQTT.
func bubble(t *testing.T, cfg Config, test func(t *testing.T, b *Broker, cloud *cloud, version byte)) {
	both(t, func(t *testing.T, version byte) {
		synctest.Test(t, func(t *testing.T) {
			cloud := newCloud()
			test(t, start(t, cfg, cloud), cloud, version)
		})
	})
}

func (c *cloud) nothingHeard(t *testing.T) {
	t.Helper()
	synctest.Wait()
	select {
	case n := <-c.heard:
		t.Errorf("received %s %q, want nothing", n.topic, n.payload)
	default:
	}
}

// expectFarewell expects the end of the connection, in MQTT 5 after a DISCONNECT.
func (c *client) expectFarewell(what string, code byte) {
	c.t.Helper()
	if c.version == mqtt.V5 {
		c.expect(what, mqtt.Disconnect.Head(0), code)
	}
	c.expectEnd(what)
}

// drain reads until the end of the connection.
func (c *client) drain() {
	for {
		if _, err := c.receive(); err != nil {
			return
		}
	}
}

func TestSubscriptionsReachOwnTopicsOnly(t *testing.T) {
	for _, row := range []struct {
		device, filter string
		code           byte // MQTT 5
	}{
		{"d1", "d/d1/down/#", 1},
		{"d1", "d/d1/down/chunk", 1},
		{"d1", "d/d1/down/+/x", 1},
		{"gw", "d/gw/b/#", 1},
		{"gw", "d/gw/b/+/down/offer", 1},
		{"d1", "#", codeNotAuthorized},
		{"d1", "+/d1/down/offer", codeNotAuthorized},
		{"d1", "d/+/down/chunk", codeNotAuthorized},
		{"d1", "d/d2/down/chunk", codeNotAuthorized},
		{"d1", "d/d1/#", codeNotAuthorized},
		{"d1", "d/d1/up/#", codeNotAuthorized},
		{"d1", "d/d1/b/#", codeNotAuthorized},
		{"d1", "$SYS/#", codeNotAuthorized},
		{"d1", "d/d1/down/#/x", codeFilterInvalid},
		{"d1", "$share/g/d/d1/down/#", codeSharedSubscription},
		{"d1", "$share/g/#", codeSharedSubscription},
		{"d1", "$SHARE/g/#", codeSharedSubscription},
		{"d1", "$Share/g/$SYS/#", codeSharedSubscription},
		{"d1", "$share", codeSharedSubscription},
		{"d1", "$queue/#", codeNotAuthorized},
	} {
		t.Run(row.device+" "+strings.ReplaceAll(row.filter, "/", "."), func(t *testing.T) {
			bubble(t, Config{}, func(t *testing.T, b *Broker, cloud *cloud, version byte) {
				c := pipe(t, b, version).join(row.device)
				c.send(subscribePacket(version, 9, row.filter, "d/"+row.device+"/down/ok"))
				if version == mqtt.V5 {
					c.expect("SUBACK", mqtt.SubAck.Head(0), 0, 9, 0, row.code, 1)
				} else {
					c.expect("SUBACK", mqtt.SubAck.Head(0), 0, 9, min(row.code, 0x80), 1)
				}
			})
		})
	}
}

func TestUnsubscribeIsAnswered(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, b *Broker, cloud *cloud, version byte) {
		c := pipe(t, b, version).join("d1")
		c.send(raw(0xA2, []byte{0, 5}, properties(version, nil), text("d/d1/down/#")))
		if version == mqtt.V5 {
			c.expect("UNSUBACK", mqtt.UnsubAck.Head(0), 0, 5, 0, 0)
		} else {
			c.expect("UNSUBACK", mqtt.UnsubAck.Head(0), 0, 5)
		}
	})
}

func TestForeignTopicsAreDenied(t *testing.T) {
	for _, topic := range []string{
		"d/d2/up/msg", "d/d1/down/offer", "d/d1/b/c1/up/hello", "d/d1/up/nonsense", "$SYS/x", "$share/g/d/d1/up/msg", "d1", "/",
	} {
		t.Run(strings.ReplaceAll(topic, "/", "."), func(t *testing.T) {
			bubble(t, Config{}, func(t *testing.T, b *Broker, cloud *cloud, version byte) {
				c := pipe(t, b, version).join("d1")
				c.send(publishPacket(version, 0, 0, topic, []byte("x")))
				c.ping() // QoS 0 has no answer
				c.send(publishPacket(version, 1, 3, topic, []byte("x")))
				if version == mqtt.V5 {
					c.expect("PUBACK", mqtt.PubAck.Head(0), 0, 3, codeNotAuthorized)
					c.ping()
				} else {
					c.expectEnd("MQTT 3.1.1 has no PUBACK that refuses, and no DISCONNECT from the server")
				}
				cloud.nothingHeard(t)
			})
		})
	}
}

func TestGatewaySpeaksForItsChildren(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, b *Broker, cloud *cloud, version byte) {
		c := pipe(t, b, version).join("gw")
		c.send(publishPacket(version, 1, 1, "d/gw/b/c1/up/hello", []byte("x")))
		c.expect("PUBACK", mqtt.PubAck.Head(0), 0, 1)
		if n := <-cloud.heard; n.topic.Child != "c1" || n.topic.Speaker != "gw" {
			t.Errorf("received %v", n)
		}
	})
}

func TestNothingADevicePublishesReachesADevice(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, b *Broker, cloud *cloud, version byte) {
		gw := pipe(t, b, version).join("gw")
		gw.send(subscribePacket(version, 1, "d/gw/b/#"))
		gw.next()
		gw.send(publishPacket(version, 0, 0, "d/gw/b/c1/up/msg", []byte("x")))
		<-cloud.heard
		gw.ping() // and no PUBLISH before it
	})
}

func TestRulesOfMQTTThatEndAConnection(t *testing.T) {
	alias := func(v byte) []byte {
		return raw(mqtt.Publish.Head(0), text("d/d1/up/msg"), properties(v, []byte{35, 0, 1}), []byte("x"))
	}
	for _, row := range []struct {
		name    string
		version byte // 0: both
		packet  func(version byte) []byte
		code    byte
	}{
		{"QoS 2", 0, func(v byte) []byte { return publishPacket(v, 2, 1, "d/d1/up/msg", []byte("x")) }, codeQoS},
		{"PUBREL", 0, func(byte) []byte { return []byte{0x62, 2, 0, 1} }, codeQoS},
		{"PUBREC", 0, func(byte) []byte { return []byte{0x50, 2, 0, 1} }, codeQoS},
		{"PUBCOMP", 0, func(byte) []byte { return []byte{0x70, 2, 0, 1} }, codeQoS},
		{"retain in MQTT 5", mqtt.V5, func(v byte) []byte {
			return raw(mqtt.Publish.Head(0)|1, text("d/d1/up/msg"), properties(v, nil), []byte("x"))
		}, codeRetain},
		{"topic alias", mqtt.V5, alias, 0x94},
		{"no topic", 0, func(v byte) []byte { return publishPacket(v, 0, 0, "", nil) }, codeProtocol},
		{"packet id 0", 0, func(v byte) []byte { return publishPacket(v, 1, 0, "d/d1/up/msg", nil) }, codeProtocol},
		{"wildcard in a topic", 0, func(v byte) []byte { return publishPacket(v, 0, 0, "d/d1/up/+", nil) }, codeProtocol},
		{"subscription id", mqtt.V5, func(v byte) []byte {
			return raw(0x82, []byte{0, 1}, properties(v, []byte{11, 1}), text("d/d1/down/#"), []byte{0})
		}, codeSubscriptionID},
		{"SUBSCRIBE without a filter", 0, func(v byte) []byte { return subscribePacket(v, 1) }, codeProtocol},
		{"second CONNECT", 0, func(v byte) []byte { return connectPacket(v, hello{id: "d1"}) }, codeProtocol},
		{"AUTH", mqtt.V5, func(byte) []byte { return []byte{0xF0, 2, 0x19, 0} }, codeProtocol},
		{"a packet only servers send", 0, func(v byte) []byte { return suback(mqtt.SubAck, v, 1, []byte{0}) }, codeProtocol},
		{"larger than any packet", 0, func(byte) []byte { return []byte{mqtt.Publish.Head(0), 0xFF, 0xFF, 0x7F} }, codePacketTooLarge},
		{"one byte more than any packet", 0, func(byte) []byte {
			return mqtt.AppendLength([]byte{mqtt.Publish.Head(0)}, wire.MaxPacket-3) // and 4 bytes of head
		}, codePacketTooLarge},
		{"a length of five bytes", 0, func(byte) []byte { return []byte{mqtt.Publish.Head(0), 0x80, 0x80, 0x80, 0x80, 1} }, codeMalformed},
		{"malformed PUBACK", 0, func(byte) []byte { return []byte{mqtt.PubAck.Head(0), 1, 0} }, codeMalformed},
		{"reserved flags", 0, func(byte) []byte { return []byte{0x80, 0} }, codeMalformed},
	} {
		t.Run(row.name, func(t *testing.T) {
			bubble(t, Config{}, func(t *testing.T, b *Broker, cloud *cloud, version byte) {
				if row.version != 0 && row.version != version {
					return
				}
				c := pipe(t, b, version).join("d1")
				c.send(row.packet(version))
				c.expectFarewell(row.name, row.code)
				<-(<-cloud.came).ended
				cloud.nothingHeard(t)
				if got := b.Stats().Ended; got[row.code] != 1 {
					t.Errorf("Stats().Ended = %v, want one %#x", got, row.code)
				}
			})
		})
	}
}

func TestRetainFlagOf311IsIgnored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cloud := newCloud()
		b := start(t, Config{}, cloud)
		c := pipe(t, b, mqtt.V311).join("gw")
		c.send(raw(mqtt.Publish.Head(0)|1, text("d/gw/b/c1/up/msg"), []byte("x")))
		if n := <-cloud.heard; n.payload != "x" {
			t.Errorf("received %v", n)
		}
		c.send(subscribePacket(mqtt.V311, 1, "d/gw/b/#"))
		c.expect("SUBACK", mqtt.SubAck.Head(0), 0, 1, 1)
		c.ping() // no retained message before it
	})
}

func TestPayloadLimitIsTheTopics(t *testing.T) {
	for _, row := range []struct {
		topic string
		limit int
	}{
		{"d/d1/up/want", wire.MaxControl}, {"d/d1/up/hello", wire.MaxHello}, {"d/d1/up/msg", wire.MaxMessage},
	} {
		t.Run(strings.ReplaceAll(row.topic, "/", "."), func(t *testing.T) {
			bubble(t, Config{}, func(t *testing.T, b *Broker, cloud *cloud, version byte) {
				c := pipe(t, b, version).join("d1")
				c.send(publishPacket(version, 1, 1, row.topic, make([]byte, row.limit)))
				c.expect("PUBACK", mqtt.PubAck.Head(0), 0, 1)
				<-cloud.heard
				c.send(publishPacket(version, 1, 2, row.topic, make([]byte, row.limit+1)))
				c.expectFarewell("over the limit", codePacketTooLarge)
				cloud.nothingHeard(t)
			})
		})
	}
}

func TestErrorOfReceiveEndsTheConnectionUnacknowledged(t *testing.T) {
	for _, row := range []struct {
		err  error
		code byte
	}{
		{fleet.Errorf(fleet.Invalid, "bad"), codePayloadInvalid},
		{fleet.Errorf(fleet.Busy, "too much"), codeQuota},
		{fleet.Errorf(fleet.Unavailable, "no store"), codeBusy},
		{fleet.Errorf(fleet.NotFound, "deleted"), codeAdministrative},
		{fleet.Errorf(fleet.Conflict, "another session"), codeTakenOver},
		{&wire.Refusal{Text: "malformed"}, codePayloadInvalid},
		{fmt.Errorf("anything"), codeUnspecified},
	} {
		t.Run(row.err.Error(), func(t *testing.T) {
			bubble(t, Config{}, func(t *testing.T, b *Broker, cloud *cloud, version byte) {
				cloud.receive = func(*session, note) error { return row.err }
				c := pipe(t, b, version).join("d1")
				c.send(publishPacket(version, 1, 1, "d/d1/up/msg", []byte("x")))
				c.expectFarewell("refused", row.code)
			})
		})
	}
}

func TestConnackSaysWhatIsNotOnOffer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, Config{}, newCloud())
		c := pipe(t, b, mqtt.V5)
		ack := c.connect(hello{id: "d1", user: "d1", password: "proof", keepAlive: 0, lasting: true,
			properties: []byte{17, 0, 0, 14, 16, 33, 0, 5}}) // session expiry 3600 s, Receive Maximum 5
		if ack.body[0] != 0 || ack.body[1] != 0 {
			t.Fatalf("session present %d, code %#x, want 0 and 0", ack.body[0], ack.body[1])
		}
		size := binary.BigEndian.AppendUint32([]byte{39}, wire.MaxPacket)
		for name, property := range map[string][]byte{
			"Maximum QoS 1": {36, 1}, "no retain": {37, 0}, "no shared subscriptions": {42, 0},
			"no subscription ids": {41, 0}, "wildcards": {40, 1}, "session expiry 0": {17, 0, 0, 0, 0},
			"Server Keep Alive": {19, 1200 >> 8, 1200 & 0xFF}, "Maximum Packet Size": size,
		} {
			if !bytes.Contains(ack.body[3:], property) {
				t.Errorf("%s: % x is not in % x", name, property, ack.body[3:])
			}
		}
	})
}

func TestSessionsAreAlwaysClean(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, b *Broker, cloud *cloud, version byte) {
		for range 2 {
			c := pipe(t, b, version)
			ack := c.connect(hello{id: "d1", user: "d1", password: "proof", lasting: true})
			if ack.body[0] != 0 {
				t.Error("session present")
			}
			c.send(subscribePacket(version, 1, "d/d1/down/#"))
			c.next()
			_ = c.conn.Close()
			<-(<-cloud.came).ended
		}
	})
}
