package main

import "testing"

func TestMetricIsFoundByItsWholeName(t *testing.T) {
	text := "# HELP heap_bytes x\nheap_bytes_total 1\nheap_bytes 2.5e+06\n"
	if got, err := metric([]byte(text), "heap_bytes"); err != nil || got != 2.5e6 {
		t.Errorf("got %v, %v; want 2.5e6", got, err)
	}
	if _, err := metric([]byte(text), "heap"); err == nil {
		t.Error("a metric that is not there was found")
	}
}
