package sse

import "testing"

// A client takes CR for the end of a line (HTML Living Standard, section 9.2.6): text of a device
// must not end an event, nor begin another.
func TestNoTextEndsAnEvent(t *testing.T) {
	for name, data := range map[string]string{
		"LF": "a\nb", "CR LF": "a\r\nb", "CR": "a\rb",
	} {
		if got, want := Event("alert", data), "event: alert\ndata: a\ndata: b\n\n"; got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	if got, want := Event("alert", "a\r\revent: x\r\r"), "event: alert\ndata: a\ndata: \ndata: event: x\ndata: \ndata: \n\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
