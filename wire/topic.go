package wire

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/muster-iot/muster/fleet"
)

// TopicKind is the meaning of a topic.
type TopicKind uint8

// The topics, up and down (docs/protocol.md, "Topics").
const (
	TopicUnknown TopicKind = iota
	TopicHello             // up
	TopicWant
	TopicReport
	TopicMessage
	TopicAlert
	TopicDone
	TopicAttach
	TopicDetach
	TopicWelcome // down
	TopicOffer
	TopicChunk
	TopicStop
	TopicCommand
	TopicAttached
)

var topicWords = [...]string{
	"", "up/hello", "up/want", "up/report", "up/msg", "up/alert", "up/done", "up/attach", "up/detach",
	"down/welcome", "down/offer", "down/chunk", "down/stop", "down/cmd", "down/attached",
}

// Up reports whether devices publish to topics of kind k.
func (k TopicKind) Up() bool { return k >= TopicHello && k <= TopicDetach }

// Limit is the largest payload of a topic of kind k, in bytes.
func (k TopicKind) Limit() int {
	switch k {
	case TopicHello, TopicWelcome, TopicOffer:
		return MaxHello
	case TopicWant, TopicReport, TopicStop:
		return MaxControl
	case TopicAlert:
		return MaxAlert
	case TopicAttach, TopicDetach, TopicAttached:
		return MaxAttachBytes
	case TopicChunk:
		return MaxChunk + MaxChunkOverhead
	case TopicCommand:
		return MaxCommand
	}
	return MaxMessage
}

// Topic is a topic taken apart.
type Topic struct {
	Speaker fleet.DeviceID // whose connection carries it
	Child   fleet.DeviceID // the BLE device it is about, "" for the speaker itself
	Kind    TopicKind
	Number  uint32 // of a command or its result
	Name    string // of a message or a command, may be empty and contain slashes
}

// Device is the device the topic is about.
func (t Topic) Device() fleet.DeviceID {
	if t.Child != "" {
		return t.Child
	}
	return t.Speaker
}

// String puts the topic together.
func (t Topic) String() string {
	s := "d/" + t.Speaker.String() + "/"
	if t.Child != "" {
		s += "b/" + t.Child.String() + "/"
	}
	s += topicWords[t.Kind]
	if t.Kind == TopicDone || t.Kind == TopicCommand {
		s += "/" + strconv.FormatUint(uint64(t.Number), 10)
	}
	if t.Name != "" {
		s += "/" + t.Name
	}
	return s
}

// ParseTopic takes a topic apart. It allocates nothing but the error; Name is part of s.
func ParseTopic(s string) (Topic, error) {
	t, ok := parseTopic(s)
	if !ok {
		return Topic{}, refuse(ReasonMalformed, "topic %.100q is not part of the protocol", s)
	}
	return t, nil
}

func parseTopic(s string) (t Topic, ok bool) {
	if len(s) > MaxTopic || strings.Count(s, "/") >= MaxTopicLevels || strings.ContainsAny(s, "+#\x00") {
		return t, false
	}
	rest, ok := strings.CutPrefix(s, "d/")
	if !ok {
		return t, false
	}
	if t.Speaker, rest, ok = cutDevice(rest); !ok {
		return t, false
	}
	if child, isChild := strings.CutPrefix(rest, "b/"); isChild {
		if t.Child, rest, ok = cutDevice(child); !ok {
			return t, false
		}
	}
	direction, rest, _ := strings.Cut(rest, "/")
	word, rest, more := strings.Cut(rest, "/")
	t.Kind = topicKind(direction, word)
	switch t.Kind {
	case TopicUnknown:
		return t, false
	case TopicMessage:
		t.Name = rest
		return t, !more || goodName(rest)
	case TopicDone, TopicCommand:
		number, name, named := strings.Cut(rest, "/")
		n, err := strconv.ParseUint(number, 10, 32)
		t.Number, t.Name = uint32(n), name
		padded := len(number) > 1 && number[0] == '0'
		return t, err == nil && !padded && (!named || t.Kind == TopicCommand && goodName(name))
	case TopicAttach, TopicDetach, TopicAttached:
		return t, !more && t.Child == ""
	}
	return t, !more
}

func cutDevice(s string) (id fleet.DeviceID, rest string, ok bool) {
	word, rest, ok := strings.Cut(s, "/")
	if !ok {
		return "", "", false
	}
	id, err := fleet.ParseDeviceID(word)
	return id, rest, err == nil
}

func topicKind(direction, word string) TopicKind {
	for k := TopicHello; k <= TopicAttached; k++ {
		w := topicWords[k]
		if len(w) == len(direction)+1+len(word) && strings.HasPrefix(w, direction) && strings.HasSuffix(w, word) {
			return k
		}
	}
	return TopicUnknown
}

func goodName(s string) bool { return s != "" && len(s) <= MaxName && utf8.ValidString(s) }

// MayPublish reports whether the device speaker may publish to t: an up topic of its own
// or, for a gateway, of a BLE device behind it. Whether that device is attached is decided
// by the receiver of the message.
func MayPublish(speaker fleet.DeviceID, gateway bool, t Topic) bool {
	return t.Kind.Up() && t.Speaker.String() == speaker.String() && (t.Child == "" || gateway)
}

// MaySubscribe reports whether the device speaker may subscribe to filter: anything that
// stays below its own d/{speaker}/down/ or, for a gateway, below d/{speaker}/b/. Shared
// subscriptions are refused in any spelling.
func MaySubscribe(speaker fleet.DeviceID, gateway bool, filter string) bool {
	rest, ok := strings.CutPrefix(filter, "d/"+speaker.String()+"/")
	if !ok || len(filter) > MaxTopic || strings.Count(filter, "/") >= MaxTopicLevels {
		return false
	}
	return strings.HasPrefix(rest, "down/") || gateway && strings.HasPrefix(rest, "b/")
}
