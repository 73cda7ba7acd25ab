package server

import "testing"

func TestMetricIsFoundByItsWholeName(t *testing.T) {
	text := "# HELP heap_bytes x\nheap_bytes_total 1\nheap_bytes 2.5e+06\ntrips{kind=\"read\"} 3\ntrips{kind=\"write\"} 4\n"
	for name, want := range map[string]float64{"heap_bytes": 2.5e6, `trips{kind="write"}`: 4} {
		if got, err := Metric([]byte(text), name); err != nil || got != want {
			t.Errorf("%s: got %v, %v; want %v", name, got, err, want)
		}
	}
	if _, err := Metric([]byte(text), "heap"); err == nil {
		t.Error("a metric that is not there was found")
	}
}
