package broker

import (
	"testing"
	"testing/synctest"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire/mqtt"
)

func TestDeviceTalksToTheCloudAndBack(t *testing.T) {
	both(t, func(t *testing.T, version byte) {
		synctest.Test(t, func(t *testing.T) {
			cloud := newCloud()
			b := start(t, Config{}, cloud)
			c := pipe(t, b, version).join("d1")
			s := <-cloud.came
			c.send(publishPacket(version, 0, 0, "d/d1/up/msg/t", []byte("hi")))
			if got := <-cloud.heard; got.topic != topicOf(t, "d/d1/up/msg/t") || got.payload != "hi" {
				t.Errorf("received %v", got)
			}
			c.send(publishPacket(version, 1, 7, "d/d1/up/msg", []byte("again")))
			c.expect("PUBACK", mqtt.PubAck.Head(0), 0, 7)
			go s.link().Send(topicOf(t, "d/d1/down/welcome"), []byte("hello"))
			if topic, payload := c.published(); topic != "d/d1/down/welcome" || string(payload) != "hello" {
				t.Errorf("got %s %s", topic, payload)
			}
			s.link().Close(fleet.Disabled)
			<-s.ended
			if err := s.link().Send(topicOf(t, "d/d1/down/welcome"), nil); err == nil {
				t.Error("Send after the end: no error")
			}
		})
	})
}
