package wire_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/muster-iot/muster/wire"
)

func TestFactsAreVisitedByPath(t *testing.T) {
	facts := marshal(t, map[string]any{
		"modem": map[string]any{"imei": "356938035643809", "bands": []any{3, 20}}, "battery": 87, "volt": 3.5, "charging": true, "none": nil, "key": []byte{1, 2},
	})
	var got []string
	wire.EachFact(facts, func(path, value string) { got = append(got, path+"="+value) })
	want := []string{"battery=87", "charging=true", "key=AQI=", "modem.bands=3", "modem.bands=20", "modem.imei=356938035643809", "volt=3.5"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	for _, none := range [][]byte{nil, {0xff}, {0xa0}, {0x01, 0x02}} {
		wire.EachFact(none, func(path, value string) { t.Errorf("% x: visited %s=%s", none, path, value) })
	}
}

func TestFactsBeyondTheLimitAreNotVisited(t *testing.T) {
	many := map[string]any{}
	for i := range 60 {
		many[fmt.Sprintf("%02d", i)] = i
	}
	var last string
	visited := 0
	wire.EachFact(marshal(t, many), func(path, _ string) { visited, last = visited+1, path })
	if visited != wire.MaxSearchedFacts || last != "31" {
		t.Errorf("got %d facts up to %s, want %d", visited, last, wire.MaxSearchedFacts)
	}
}
