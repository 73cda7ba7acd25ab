package main

import (
	"runtime"
	"testing"
	"time"
)

// TestEveryBenchmarkMeasuresMosquitto runs the other side of each benchmark that has one,
// small. Where Mosquitto is not installed there is nothing to compare with.
func TestEveryBenchmarkMeasuresMosquitto(t *testing.T) {
	if _, err := lookMosquitto(); err != nil || runtime.GOOS != "linux" {
		t.Skip("needs Mosquitto on Linux: ", err)
	}
	for _, m := range benchmarks {
		if m.alone {
			continue
		}
		t.Run(m.name, func(t *testing.T) {
			o := m.defaults
			o.devices, o.runs, o.timeout = 5, 1, time.Minute
			o.size, o.settle = min(o.size, 100_000), min(o.settle, 10*time.Millisecond)
			o.sides.only = "mosquitto"
			r, err := m.measure(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			for _, row := range r.Rows {
				if row.Muster != nil {
					t.Errorf("%s: a number of Muster, which did not run", row.What)
				}
			}
			if first := r.Rows[0]; first.Mosquitto == nil {
				t.Errorf("%s: no number of Mosquitto", first.What)
			}
			if !r.Met() {
				t.Error("a bar was missed that compares nothing")
			}
		})
	}
}
