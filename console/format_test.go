package console

import "testing"

func TestPayloadIsShownAsWhatItIs(t *testing.T) {
	for name, c := range map[string]struct{ in, want string }{
		"text": {"21.5 °C", "21.5 °C"}, "json": {`{"t":1}`, `{"t":1}`}, "bytes": {"\x00\xff", "00ff"}, "control": {"a\x1b[2J", "611b5b324a"}, "nothing": {"", ""},
	} {
		if got := payload([]byte(c.in)); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}
