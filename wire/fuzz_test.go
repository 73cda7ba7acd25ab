package wire_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

func FuzzHello(f *testing.F)   { fuzzMessage(f, "hello", wire.DecodeHello, wire.Hello.Encode) }
func FuzzWelcome(f *testing.F) { fuzzMessage(f, "welcome", wire.DecodeWelcome, wire.Welcome.Encode) }
func FuzzOffer(f *testing.F)   { fuzzMessage(f, "offer", wire.DecodeOffer, wire.Offer.Encode) }
func FuzzWant(f *testing.F)    { fuzzMessage(f, "want", wire.DecodeWant, wire.Want.Encode) }
func FuzzReport(f *testing.F)  { fuzzMessage(f, "report", wire.DecodeReport, wire.Report.Encode) }
func FuzzStop(f *testing.F)    { fuzzMessage(f, "stop", wire.DecodeStop, wire.Stop.Encode) }
func FuzzAlert(f *testing.F)   { fuzzMessage(f, "alert", wire.DecodeAlert, wire.Alert.Encode) }
func FuzzAttach(f *testing.F)  { fuzzMessage(f, "attach", wire.DecodeAttach, wire.Attach.Encode) }
func FuzzAttached(f *testing.F) {
	fuzzMessage(f, "attached", wire.DecodeAttached, wire.Attached.Encode)
}
func FuzzChunk(f *testing.F) {
	fuzzMessage(f, "chunk", wire.ParseChunk, func(c wire.Chunk) []byte { return wire.AppendChunk(nil, c) })
}

// fuzzMessage holds for any bytes: no panic, the input stays as it was, a refusal has a
// reason, and what was accepted is written and read again as the same message.
func fuzzMessage[M any](f *testing.F, message string, decode func([]byte) (M, error), encode func(M) []byte) {
	for v := range vectors(f) {
		if v.message == message {
			f.Add(v.data)
		}
	}
	same := cmp.Comparer(func(a, b fleet.Version) bool { return a == b })
	f.Fuzz(func(t *testing.T, data []byte) {
		before := bytes.Clone(data)
		m, err := decode(data)
		if !bytes.Equal(data, before) {
			t.Fatal("decoding changed its input")
		}
		if err != nil {
			if reason := reasonOf(err); reason == wire.ReasonNone {
				t.Fatalf("got error %v, want a refusal with a reason", err)
			}
			return
		}
		encoded := encode(m)
		again, err := decode(encoded)
		if err != nil {
			t.Fatalf("own encoding %x refused: %v", encoded, err)
		}
		if diff := cmp.Diff(m, again, same); diff != "" {
			t.Errorf("after encoding and decoding again (-want +got):\n%s", diff)
		}
		if twice := encode(again); !bytes.Equal(encoded, twice) {
			t.Errorf("encoding is not stable: %x, then %x", encoded, twice)
		}
	})
}

func FuzzParseTopic(f *testing.F) {
	for _, s := range append(topicsOf("dev-1", "ble:2"), "d/a/up/msg/x/y", "d/a/up/done/01", "d//up/hello", "d/a/b/up/hello", "$SYS/x", "d/a/up/msg/\xff", "d/+/up/hello") {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		topic, err := wire.ParseTopic(s)
		if err != nil {
			if got := reasonOf(err); got != wire.ReasonMalformed {
				t.Errorf("got reason %d, want %d", got, wire.ReasonMalformed)
			}
			return
		}
		if got := topic.String(); got != s {
			t.Errorf("put together: got %q, want %q", got, s)
		}
		if topic.Device() == "" || topic.Kind == wire.TopicUnknown || len(s) > wire.MaxTopic {
			t.Errorf("%q: got %+v, want a device and a kind", s, topic)
		}
	})
}

func FuzzMayPublish(f *testing.F) {
	for _, topic := range topicsOf("a", "b") {
		f.Add("a", false, topic)
		f.Add("a", true, topic)
		f.Add("b", true, topic)
	}
	f.Fuzz(func(t *testing.T, speaker string, gateway bool, topic string) {
		id, err := fleet.ParseDeviceID(speaker)
		if err != nil || !mayPublish(id, gateway, topic) {
			return
		}
		levels := strings.Split(topic, "/")
		own := len(levels) > 3 && levels[0] == "d" && levels[1] == speaker && levels[2] == "up"
		child := gateway && len(levels) > 5 && levels[0] == "d" && levels[1] == speaker && levels[2] == "b" && levels[4] == "up"
		if !own && !child || strings.ContainsAny(topic, "+#") {
			t.Errorf("device %q (gateway: %v) may publish to %q", speaker, gateway, topic)
		}
	})
}

func FuzzMaySubscribe(f *testing.F) {
	filters := []string{
		"#", "+", "d/#", "d/+/down/#", "d/a/#", "d/a/+/#", "d/a/+/chunk", "d/a/down/#", "d/a/down/+", "d/a/down", "d/a/b/#", "d/a/b/+/down/#", "d/a/b",
		"$share/g/d/a/down/#", "$share/g/#", "$SHARE/g/d/a/down/#", "$SYS/#", "d/a/down/#/x", "D/a/down/#", "/d/a/down/#", "d/a/down/../../b/down/#", "",
	}
	for _, filter := range filters {
		for _, topic := range []string{"d/a/down/chunk", "d/a/up/hello", "d/a/b/b/down/chunk", "d/b/down/chunk", "d/b/b/a/down/chunk"} {
			f.Add("a", false, filter, topic)
			f.Add("a", true, filter, topic)
		}
	}
	f.Fuzz(func(t *testing.T, speaker string, gateway bool, filter, topic string) {
		id, err := fleet.ParseDeviceID(speaker)
		if err != nil || !wire.MaySubscribe(id, gateway, filter) || !matches(filter, topic) {
			return
		}
		levels := strings.Split(topic, "/")
		own := len(levels) > 2 && levels[0] == "d" && levels[1] == speaker &&
			(levels[2] == "down" || gateway && levels[2] == "b")
		if !own {
			t.Errorf("device %q (gateway: %v) may subscribe to %q, which matches %q", speaker, gateway, filter, topic)
		}
	})
}

func reasonOf(err error) fleet.ReasonCode {
	if refusal, ok := err.(*wire.Refusal); ok { //nolint:errorlint // decoders promise the type itself
		return refusal.Reason
	}
	return wire.ReasonNone
}
