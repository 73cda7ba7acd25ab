package report

import (
	"bytes"
	"math"
	"strings"
	"testing"
)

func TestQuantileLiesBetweenNeighbors(t *testing.T) {
	values := []float64{40, 10, 30, 20}
	for _, c := range []struct{ q, want float64 }{{0, 10}, {0.5, 25}, {1, 40}, {0.99, 39.7}} {
		if got := quantile(values, c.q); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("quantile %v of %v = %v, want %v", c.q, values, got, c.want)
		}
	}
	if got := quantile([]float64{7}, 0.5); got != 7 {
		t.Errorf("median of one value = %v, want 7", got)
	}
}

func TestBarIsMissedOnlyOnItsWrongSide(t *testing.T) {
	at := func(v float64) *float64 { return &v }
	for _, c := range []struct {
		name string
		bar  Bar
		want string
	}{
		{"enough", Bar{Got: at(0.5), AtLeast: true, Limit: 0.5, Aim: 0.8}, "met"},
		{"as much as one would like", Bar{Got: at(0.9), AtLeast: true, Limit: 0.5, Aim: 0.8}, "met, and the aim"},
		{"too little", Bar{Got: at(0.49), AtLeast: true, Limit: 0.5}, missed},
		{"little enough", Bar{Got: at(30), Limit: 30}, "met"},
		{"too much", Bar{Got: at(30.1), Limit: 30}, missed},
		{"not a number", Bar{Got: at(math.NaN()), Limit: 30}, missed},
		{"one side was left out", Bar{Limit: 30}, "not measured"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := c.bar.verdict(); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
			if got := (&Result{Bars: []Bar{c.bar}}).Met(); got != (c.want != missed) {
				t.Errorf("met() = %v with verdict %q", got, c.want)
			}
		})
	}
}

func TestReportComparesMedians(t *testing.T) {
	r := &Result{Name: "n", About: "a"}
	row := r.Add("speed", "1/s", []float64{100, 300, 200}, []float64{100, 100})
	r.AtLeast("speed, Muster / Mosquitto", row.Ratio(), 2, 0)
	if row = r.Add("only ours", "KiB", []float64{1}, nil); row.Ratio() != nil {
		t.Errorf("a ratio to nothing: %v", *row.Ratio())
	}
	var out bytes.Buffer
	if err := r.Print(&out); err != nil {
		t.Fatal(err)
	}
	var fields []string
	for line := range strings.Lines(out.String()) {
		if strings.HasPrefix(line, "speed ") {
			fields = strings.Fields(line)
		}
	}
	want := "speed 1/s 200 100 2 100..300 : 100..100"
	if got := strings.Join(fields, " "); got != want {
		t.Errorf("row %q, want %q\n%s", got, want, out.String())
	}
}
