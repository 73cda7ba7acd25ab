package record

import (
	"encoding/hex"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-iot/muster/event"
	"github.com/muster-iot/muster/fleet"
)

// filledEvents is an event of each kind, none of whose fields is zero.
func filledEvents() map[byte]event.Event {
	all := map[byte]event.Event{}
	for n, p := range payloads {
		value, count := reflect.New(p.kind).Elem(), 0
		fill(value, &count)
		all[n] = event.Event{
			Payload: value.Interface().(event.Payload), Team: 7, Product: 8, Device: "7/lamp", Groups: []fleet.GroupID{3, 4}, Wide: true, At: time.Unix(1_700_000_000, 1).UTC(),
		}
	}
	return all
}

func TestEveryEventComesBackAsItWentIn(t *testing.T) {
	for _, e := range filledEvents() {
		bare := event.Event{Payload: reflect.Zero(reflect.TypeOf(e.Payload)).Interface().(event.Payload)}
		for _, e := range []event.Event{e, bare} {
			got, err := UnpackEvent(PackEvent(e))
			if diff := cmp.Diff(got, e, sameVersion); err != nil || diff != "" {
				t.Errorf("%T: %v, read (-) differs from written (+):\n%s", e.Payload, err, diff)
			}
		}
	}
}

// TestEveryPayloadIsInTheTable finds the payloads in the source.
func TestEveryPayloadIsInTheTable(t *testing.T) {
	text, err := os.ReadFile("../../event/event.go")
	if err != nil {
		t.Fatal(err)
	}
	var want, got []string
	for _, match := range regexp.MustCompile(`(?m)^func \((\w+)\) Name\(\) Name`).FindAllSubmatch(text, -1) {
		if name := string(match[1]); name != "Missed" {
			want = append(want, name)
		}
	}
	for _, p := range payloads {
		got = append(got, p.kind.Name())
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(got, want); diff != "" || len(got) < 18 {
		t.Errorf("in the table (-), in package event (+):\n%s", diff)
	}
}

// TestEventsOfAnotherReleaseAreRead compares what is written with what releases before wrote, which may run along with this
// one: testdata/events.txt only ever gets more lines.
func TestEventsOfAnotherReleaseAreRead(t *testing.T) {
	golden, err := os.ReadFile("testdata/events.txt")
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, e := range filledEvents() {
		lines = append(lines, fmt.Sprintf("%T %s", e.Payload, hex.EncodeToString([]byte(PackEvent(e)))))
	}
	slices.Sort(lines)
	if diff := cmp.Diff(lines, strings.Split(strings.TrimSpace(string(golden)), "\n")); diff != "" {
		t.Errorf("written now (-), before (+):\n%s", diff)
	}
	if _, err := UnpackEvent(Codec[posted]{listPosted}.Pack(&posted{kind: 200, payload: "news"})); err == nil {
		t.Error("an event of a newer release was read")
	}
	if _, err := UnpackEvent("\x02\xff"); err == nil {
		t.Error("a broken event was read")
	}
}
