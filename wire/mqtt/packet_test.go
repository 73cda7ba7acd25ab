package mqtt

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"
	"time"
)

// TestPacketsAreThoseOfTheStandard compares with bytes put together by hand from MQTT 3.1.1
// and MQTT 5, chapter 3.
func TestPacketsAreThoseOfTheStandard(t *testing.T) {
	for name, row := range map[string]struct {
		got  []byte
		want string
	}{
		"CONNECT 3.1.1":       {AppendConnect(nil, V311, Client{ID: "a", User: "b", Password: "c", KeepAlive: 5 * time.Minute}), "10 13 0004 4d515454 04 c2 012c 0001 61 0001 62 0001 63"},
		"CONNECT 5":           {AppendConnect(nil, V5, Client{ID: "a", User: "b", Password: "c", KeepAlive: 5 * time.Minute}), "10 14 0004 4d515454 05 c2 012c 00 0001 61 0001 62 0001 63"},
		"CONNECT, no proof":   {AppendConnect(nil, V311, Client{ID: "a"}), "10 0d 0004 4d515454 04 02 0000 0001 61"},
		"PUBLISH 3.1.1 QoS 0": {AppendPublish(nil, V311, "t", 0, 9, []byte("hi")), "30 05 0001 74 6869"},
		"PUBLISH 5 QoS 0":     {AppendPublish(nil, V5, "t", 0, 9, []byte("hi")), "30 06 0001 74 00 6869"},
		"PUBLISH 3.1.1 QoS 1": {AppendPublish(nil, V311, "t", 1, 258, []byte("hi")), "32 07 0001 74 0102 6869"},
		"PUBLISH 5 QoS 1":     {AppendPublish(nil, V5, "t", 1, 258, []byte("hi")), "32 08 0001 74 0102 00 6869"},
		"PUBACK":              {AppendPubAck(nil, 258), "40 02 0102"},
		"SUBSCRIBE 3.1.1":     {AppendSubscribe(nil, V311, 258, 1, "a", "b"), "82 0a 0102 0001 61 01 0001 62 01"},
		"SUBSCRIBE 5":         {AppendSubscribe(nil, V5, 258, 1, "a"), "82 07 0102 00 0001 61 01"},
	} {
		if got, want := hex.EncodeToString(row.got), strings.ReplaceAll(row.want, " ", ""); got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
}

func TestLengthsTakeOneToFourBytes(t *testing.T) {
	for n, bytes := range map[int]int{0: 1, 127: 1, 128: 2, 16_383: 2, 16_384: 3, 2_097_151: 3, 2_097_152: 4, 268_435_455: 4} { // MQTT 5, table 1-1
		p := AppendLength([]byte{Publish.Head(0)}, n)
		first, remaining, taken, ok, err := Header(p)
		if len(p) != 1+bytes || first != 0x30 || remaining != n || taken != len(p) || !ok || err != nil {
			t.Errorf("%d: got % x, read as %d in %d bytes, %v, %v; want %d bytes", n, p, remaining, taken, ok, err, bytes)
		}
		if _, _, _, ok, err := Header(p[:len(p)-1]); ok || err != nil {
			t.Errorf("%d without its last byte: got %v, %v; want to wait for it", n, ok, err)
		}
	}
}

// FuzzParse parses anything, and what can be a PUBLISH of MQTT 3.1.1 encodes to itself.
func FuzzParse(f *testing.F) {
	f.Add(byte(0x30), []byte("\x00\x01thi"))
	f.Add(byte(0x32), []byte("\x00\x01t\x01\x02hi"))
	f.Add(byte(0x20), []byte{0, 5})
	f.Add(byte(0x90), []byte{0, 1, 1})
	f.Fuzz(func(t *testing.T, first byte, body []byte) {
		p, err := Parse(first, body)
		if err != nil || p.Kind != Publish || first&0x09 != 0 { // DUP and RETAIN are never written
			return
		}
		again := AppendPublish(nil, V311, string(p.Topic), p.QoS, p.ID, p.Payload)
		if _, _, taken, _, _ := Header(again); again[0] != first || !bytes.Equal(again[taken:], body) {
			t.Errorf("got % x, want %x and % x", again, first, body)
		}
	})
}
