package console

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-iot/muster/fleet"
)

func TestPastOfAWeekStaysWithinItsBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, lamp := newPast(), fleet.Product{ID: 1}
		p.remember(lamp)
		for range 7 * 24 * 60 {
			time.Sleep(time.Minute)
			if p.due(lamp) {
				p.add(1, moment{at: time.Now(), runs: map[string]int{"1": 5}})
			}
		}
		got := p.series(1)
		span := time.Unix(got.Times[len(got.Times)-1], 0).Sub(time.Unix(got.Times[0], 0))
		if n := len(got.Times); n >= maxSamples || n < maxSamples/4 || span < 6*24*time.Hour {
			t.Errorf("got %d samples over %s, want fewer than %d over a week", n, span, maxSamples)
		}
	})
}

func TestSeriesHasARowForEachVersionAndANumberForEachTime(t *testing.T) {
	p := newPast()
	p.remember(fleet.Product{ID: 1})
	p.add(1, moment{at: time.Unix(100, 0), online: 3, hellos: 10, runs: map[string]int{"1": 4, "": 0}})
	p.add(1, moment{at: time.Unix(105, 0), online: 4, hellos: 25, runs: map[string]int{"1": 2, "1.10.0": 1, "1.9.0": 1, "": 1}})
	want := series{
		Times: []int64{100, 105}, Online: []int{3, 4}, Versions: []string{"1.10.0", "1.9.0", "1", ""},
		Runs: [][]int{{0, 1}, {0, 1}, {4, 2}, {0, 1}}, Rates: []float64{0, 3},
	}
	if diff := cmp.Diff(p.series(1), want); diff != "" {
		t.Errorf("(-got +want)\n%s", diff)
	}
}

func TestPayloadIsShownAsWhatItIs(t *testing.T) {
	for name, c := range map[string]struct{ in, want string }{
		"text": {"21.5 °C", "21.5 °C"}, "json": {`{"t":1}`, `{"t":1}`}, "bytes": {"\x00\xff", "00ff"}, "control": {"a\x1b[2J", "611b5b324a"}, "nothing": {"", ""},
	} {
		if got := payload([]byte(c.in)); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}
