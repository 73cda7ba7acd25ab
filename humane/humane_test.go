package humane

import (
	"maps"
	"testing"
	"time"
)

func TestNumbersAreGroupedByThree(t *testing.T) {
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -12: "-12", -1234: "-1,234", -123456: "-123,456"} {
		if got := Number(n); got != want {
			t.Errorf("%d: got %q, want %q", n, got, want)
		}
	}
}

func TestOneIsSingular(t *testing.T) {
	for n, want := range map[int]string{0: "0 devices", 1: "1 device", 2: "2 devices", 1500: "1,500 devices"} {
		if got := Count(n, "device"); got != want {
			t.Errorf("%d: got %q, want %q", n, got, want)
		}
	}
}

func TestSizesHaveAUnitThatFits(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 1536: "1.5 KiB", 30000: "29 KiB", 1<<20 - 1: "1024 KiB", 1 << 20: "1.0 MiB", 64 << 20: "64 MiB", 5 << 30: "5120 MiB",
	} {
		if got := Size(n); got != want {
			t.Errorf("%d: got %q, want %q", n, got, want)
		}
	}
}

func TestTimesAreRoundedToTheirLargestUnit(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "just now", 4 * time.Second: "just now", 5 * time.Second: "5 s ago", 119 * time.Second: "2 min ago", 47 * time.Hour: "47 h ago", 48 * time.Hour: "2 days ago",
		-time.Second: "in 1 s", time.Second - 90*24*time.Hour: "in 90 days",
	} {
		if got := Ago(d); got != want {
			t.Errorf("%s: got %q, want %q", d, got, want)
		}
	}
}

func TestSpansHaveTwoUnits(t *testing.T) {
	for d, want := range map[time.Duration]string{
		time.Millisecond: "less than a second", 59 * time.Second: "59 s", 200 * time.Second: "3 min 20 s", 25*time.Hour + 59*time.Minute: "25 h 59 min",
	} {
		if got := Span(d); got != want {
			t.Errorf("%s: got %q, want %q", d, got, want)
		}
	}
}

func TestFactsAreFlatByTheirPath(t *testing.T) {
	got := Flat([]byte(`{"modem":{"fw":7,"say":"\"a\" & b"},"list":[1,"x"],"none":null,"empty":{},"":1,"on":true}`))
	want := map[string]string{"modem.fw": "7", "modem.say": `"a" & b`, "list": `[1,"x"]`, "none": "null", "": "1", "on": "true"}
	if !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	for _, text := range []string{"", "null", "7", `"x"`, "[1]", "{"} {
		if got := Flat([]byte(text)); len(got) != 0 {
			t.Errorf("%s: got %v, want nothing", text, got)
		}
	}
}

func TestAChosenTimeIsInOneUnitWhereItHasOne(t *testing.T) {
	for d, want := range map[time.Duration]string{
		24 * time.Hour: "24 hours", time.Hour: "1 hour", 30 * time.Minute: "30 minutes", 90 * time.Minute: "1 h 30 min", 7 * 24 * time.Hour: "7 days", 90 * time.Second: "1 min 30 s", 0: "less than a second",
	} {
		if got := Lasting(d); got != want {
			t.Errorf("%s: got %q, want %q", d, got, want)
		}
	}
}
