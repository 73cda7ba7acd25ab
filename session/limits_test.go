package session

import "testing"

func TestAnAddressOfTwoConnectionsIsNamedOnce(t *testing.T) {
	for _, row := range [][3]string{{"192.0.2.1", "192.0.2.2", "192.0.2.1 and 192.0.2.2"}, {"192.0.2.1", "192.0.2.1", "192.0.2.1 alone"}} {
		if got := both(row[0], row[1]); got != row[2] {
			t.Errorf("got %q, want %q", got, row[2])
		}
	}
}
