package wire_test

import (
	"strings"
	"testing"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

// topicsOf is every topic of a device that may be a gateway, and of a BLE device behind it.
func topicsOf(speaker, child string) []string {
	own := []string{
		"up/hello", "up/want", "up/report", "up/msg", "up/msg/log/boot", "up/alert", "up/done/7",
		"down/welcome", "down/offer", "down/chunk", "down/stop", "down/cmd/7", "down/cmd/7/reboot",
	}
	var all []string
	for _, word := range own {
		all = append(all, "d/"+speaker+"/"+word, "d/"+speaker+"/b/"+child+"/"+word)
	}
	for _, word := range []string{"up/attach", "up/detach", "down/attached"} {
		all = append(all, "d/"+speaker+"/"+word)
	}
	return all
}

// matches is the matching of MQTT 3.1.1 §4.7, written here a second time, and generous: a '#' in
// any place takes all that follows, and a shared subscription is its filter.
func matches(filter, topic string) bool {
	if strings.HasPrefix(strings.ToLower(filter), "$share/") {
		parts := strings.SplitN(filter, "/", 3)
		if len(parts) < 3 {
			return false
		}
		filter = parts[2]
	}
	f, t := strings.Split(filter, "/"), strings.Split(topic, "/")
	for i, level := range f {
		switch {
		case level == "#":
			return true
		case i >= len(t), level != "+" && level != t[i]:
			return false
		}
		if i == len(t)-1 && len(f) == len(t)+1 && f[i+1] == "#" {
			return true // sport/# also matches sport
		}
	}
	return len(f) == len(t)
}

func TestMatcherOfTheTestFollowsMQTT(t *testing.T) {
	for _, row := range []struct {
		filter, topic string
		want          bool
	}{
		{"sport/tennis/player1/#", "sport/tennis/player1", true},
		{"sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", true},
		{"sport/tennis/+", "sport/tennis/player1", true},
		{"sport/tennis/+", "sport/tennis/player1/ranking", false},
		{"sport/+", "sport", false},
		{"sport/+", "sport/", true},
		{"+/+", "/finance", true},
		{"/+", "/finance", true},
		{"+", "/finance", false},
		{"#", "a/b", true},
		{"$share/g/a/#", "a/b", true},
	} {
		if got := matches(row.filter, row.topic); got != row.want {
			t.Errorf("%s on %s: got %v, want %v", row.filter, row.topic, got, row.want)
		}
	}
}

func TestEveryTopicIsReadAndWritten(t *testing.T) {
	for _, s := range topicsOf("nrf-352656100158792", "C0:FF:EE:00:00:01") {
		topic, err := wire.ParseTopic(s)
		if err != nil {
			t.Errorf("%s: %v", s, err)
			continue
		}
		if got := topic.String(); got != s {
			t.Errorf("got %s, want %s", got, s)
		}
		if up := strings.Contains(s, "/up/"); topic.Kind.Up() != up {
			t.Errorf("%s: Up: got %v, want %v", s, topic.Kind.Up(), up)
		}
		if child := strings.Contains(s, "/b/"); (topic.Child != "") != child || child && topic.Device() != topic.Child {
			t.Errorf("%s: got child %q of %q", s, topic.Child, topic.Speaker)
		}
	}
}

func TestTopicParts(t *testing.T) {
	for _, row := range []struct {
		topic string
		want  wire.Topic
	}{
		{"d/a/up/hello", wire.Topic{Speaker: "a", Kind: wire.TopicHello}},
		{"d/a/up/msg/log/boot", wire.Topic{Speaker: "a", Kind: wire.TopicMessage, Name: "log/boot"}},
		{"d/a/up/done/4294967295", wire.Topic{Speaker: "a", Kind: wire.TopicDone, Number: 4294967295}},
		{"d/a/down/cmd/12/reboot/now", wire.Topic{Speaker: "a", Kind: wire.TopicCommand, Number: 12, Name: "reboot/now"}},
		{"d/g/b/c/up/want", wire.Topic{Speaker: "g", Child: "c", Kind: wire.TopicWant}},
		{"d/b/b/b/up/want", wire.Topic{Speaker: "b", Child: "b", Kind: wire.TopicWant}},
		{"d/up/up/hello", wire.Topic{Speaker: "up", Kind: wire.TopicHello}},
	} {
		if got, err := wire.ParseTopic(row.topic); err != nil || got != row.want {
			t.Errorf("%s: got %+v, %v, want %+v", row.topic, got, err, row.want)
		}
	}
}

func TestOtherTopicsAreRefused(t *testing.T) {
	long := "d/a/up/msg/" + strings.Repeat("n", wire.MaxName)
	if _, err := wire.ParseTopic(long); err != nil {
		t.Errorf("a name of %d bytes: %v", wire.MaxName, err)
	}
	for name, s := range map[string]string{
		"empty":                "",
		"no device":            "d//up/hello",
		"no word":              "d/a/up",
		"unknown word":         "d/a/up/howdy",
		"word in pieces":       "d/a/up/hel/lo",
		"wrong direction":      "d/a/down/hello",
		"capital letters":      "d/a/UP/hello",
		"leading slash":        "/d/a/up/hello",
		"trailing slash":       "d/a/up/hello/",
		"more levels":          "d/a/up/hello/x",
		"plus":                 "d/+/up/hello",
		"hash":                 "d/a/up/msg/#",
		"NUL in the name":      "d/a/up/msg/\x00",
		"name not UTF-8":       "d/a/up/msg/\xc3\x28",
		"empty name":           "d/a/up/msg/",
		"name too long":        long + "n",
		"too many levels":      "d/a/up/msg" + strings.Repeat("/n", wire.MaxTopicLevels-3),
		"device id too long":   "d/" + strings.Repeat("a", fleet.MaxDeviceID+1) + "/up/hello",
		"device id with space": "d/a b/up/hello",
		"result unnumbered":    "d/a/up/done",
		"result not a number":  "d/a/up/done/x",
		"number with a zero":   "d/a/up/done/07",
		"number with a sign":   "d/a/up/done/+7",
		"number over 32 bits":  "d/a/up/done/4294967296",
		"result with a name":   "d/a/up/done/7/x",
		"command unnumbered":   "d/a/down/cmd",
		"child's own attach":   "d/a/b/c/up/attach",
		"child of a child":     "d/a/b/c/b/d/up/hello",
		"$SYS":                 "$SYS/broker/uptime",
	} {
		if got, err := wire.ParseTopic(s); err == nil {
			t.Errorf("%s: %q: got %+v, want a refusal", name, s, got)
		}
	}
}

// mayPublish is the decision about a publish to a topic that may not be one of the protocol's.
func mayPublish(speaker fleet.DeviceID, gateway bool, topic string) bool {
	t, err := wire.ParseTopic(topic)
	return err == nil && wire.MayPublish(speaker, gateway, t)
}

func TestDevicePublishesBelowItsOwnUpOnly(t *testing.T) {
	for _, row := range []struct {
		name, topic     string
		device, gateway bool
	}{
		{"own hello", "d/a/up/hello", true, true},
		{"own message with a name", "d/a/up/msg/log", true, true},
		{"own down", "d/a/down/chunk", false, false},
		{"other device", "d/b/up/hello", false, false},
		{"other device with the same beginning", "d/ab/up/hello", false, false},
		{"BLE device behind it", "d/a/b/c/up/hello", false, true},
		{"down topic of a BLE device behind it", "d/a/b/c/down/offer", false, false},
		{"BLE device behind another", "d/b/b/a/up/hello", false, false},
		{"unknown topic", "d/a/up/secret", false, false},
		{"$SYS", "$SYS/a", false, false},
	} {
		if got := mayPublish("a", false, row.topic); got != row.device {
			t.Errorf("%s: device: got %v, want %v", row.name, got, row.device)
		}
		if got := mayPublish("a", true, row.topic); got != row.gateway {
			t.Errorf("%s: gateway: got %v, want %v", row.name, got, row.gateway)
		}
	}
}

func TestDeviceSubscribesBelowItsOwnDownOnly(t *testing.T) {
	for _, row := range []struct {
		name, filter    string
		device, gateway bool
	}{
		{"all of its own", "d/a/down/#", true, true},
		{"one of its own", "d/a/down/chunk", true, true},
		{"one level of its own", "d/a/down/+", true, true},
		{"commands", "d/a/down/cmd/#", true, true},
		{"its up topics", "d/a/up/#", false, false},
		{"both directions", "d/a/+/#", false, false},
		{"everything of it", "d/a/#", false, false},
		{"everything", "#", false, false},
		{"any device's", "d/+/down/#", false, false},
		{"another's", "d/b/down/#", false, false},
		{"one with the same beginning", "d/ab/down/#", false, false},
		{"its BLE devices", "d/a/b/#", false, true},
		{"their down topics", "d/a/b/+/down/#", false, true},
		{"another gateway's BLE devices", "d/b/b/#", false, false},
		{"any gateway's BLE devices", "d/+/b/#", false, false},
		{"shared", "$share/g/d/a/down/#", false, false},
		{"shared in capitals", "$SHARE/g/d/a/down/#", false, false},
		{"shared everything", "$share/g/#", false, false},
		{"$SYS", "$SYS/#", false, false},
		{"empty", "", false, false},
		{"too long", "d/a/down/" + strings.Repeat("x", wire.MaxTopic), false, false},
		{"too deep", "d/a/down" + strings.Repeat("/+", wire.MaxTopicLevels-2), false, false},
	} {
		if got := wire.MaySubscribe("a", false, row.filter); got != row.device {
			t.Errorf("%s: device: got %v, want %v", row.name, got, row.device)
		}
		if got := wire.MaySubscribe("a", true, row.filter); got != row.gateway {
			t.Errorf("%s: gateway: got %v, want %v", row.name, got, row.gateway)
		}
	}
}

// The same for every filter that can be made of a small set of levels.
func TestNoFilterReachesAnotherDevice(t *testing.T) {
	words := []string{"d", "a", "b", "down", "up", "+", "#", "chunk", "$share", ""}
	foreign := append(topicsOf("b", "a"), "d/a/up/hello", "$SYS/x")
	checked := 0
	var grow func(levels []string)
	grow = func(levels []string) {
		filter := strings.Join(levels, "/")
		if len(levels) > 0 && wire.MaySubscribe("a", false, filter) {
			checked++
			for _, topic := range foreign {
				if matches(filter, topic) {
					t.Errorf("a may subscribe to %q, which matches %q", filter, topic)
				}
			}
		}
		if len(levels) < 5 {
			for _, word := range words {
				grow(append(levels[:len(levels):len(levels)], word))
			}
		}
	}
	grow(nil)
	if checked == 0 {
		t.Error("no filter was accepted: the test proves nothing")
	}
}

func TestTopicLimitIsThatOfItsMessage(t *testing.T) {
	for kind, want := range map[wire.TopicKind]int{
		wire.TopicHello: 2048, wire.TopicWant: 512, wire.TopicReport: 512, wire.TopicMessage: 16384, wire.TopicAlert: 2048,
		wire.TopicDone: 16384, wire.TopicAttach: 16384, wire.TopicDetach: 16384, wire.TopicWelcome: 2048, wire.TopicOffer: 2048,
		wire.TopicChunk: 65536 + 23, wire.TopicStop: 512, wire.TopicCommand: 16384, wire.TopicAttached: 16384,
	} {
		if got := kind.Limit(); got != want {
			t.Errorf("kind %d: got %d bytes, want %d", kind, got, want)
		}
	}
}
