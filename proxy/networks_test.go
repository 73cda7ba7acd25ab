package proxy

import (
	"net/http"
	"net/netip"
	"testing"
)

var listed = Networks{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/64")}

func TestTheClientIsTheRightmostAddressThatIsNoProxy(t *testing.T) {
	for _, row := range []struct {
		name, peer string
		header     []string
		want       string
		forwarded  bool
	}{
		{"a stranger can't choose its address", "198.51.100.1:1", []string{"192.0.2.9"}, "198.51.100.1", false},
		{"a proxy names its peer", "10.0.0.1:1", []string{"198.51.100.1"}, "198.51.100.1", true},
		{"what the client sent is left of it", "10.0.0.1:1", []string{"192.0.2.9, 198.51.100.1"}, "198.51.100.1", true},
		{"in a line of its own, too", "10.0.0.1:1", []string{"192.0.2.9", "198.51.100.1"}, "198.51.100.1", true},
		{"a proxy behind a proxy", "10.0.0.1:1", []string{"198.51.100.1, 10.0.0.2"}, "198.51.100.1", true},
		{"only proxies", "10.0.0.1:1", []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3", true},
		{"a proxy's own request", "10.0.0.1:1", nil, "10.0.0.1", false},
		{"with a port", "10.0.0.1:1", []string{"198.51.100.1:50000"}, "198.51.100.1", true},
		{"IPv6", "[2001:db8::1]:1", []string{"[2001:db8:1::9]:50000"}, "2001:db8:1::9", true},
		{"IPv4 in IPv6", "[::ffff:10.0.0.1]:1", []string{"::ffff:198.51.100.1"}, "198.51.100.1", true},
		{"an unknown peer ends the list", "10.0.0.1:1", []string{"198.51.100.1, unknown, 10.0.0.2"}, "10.0.0.2", true},
		{"not an address", "10.0.0.1:1", []string{"nonsense"}, "10.0.0.1", false},
		{"an empty one", "10.0.0.1:1", []string{""}, "10.0.0.1", false},
		{"no IP peer", "@", []string{"198.51.100.1"}, "@", false},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := &http.Request{RemoteAddr: row.peer, Header: http.Header{"X-Forwarded-For": row.header}}
			got, forwarded := listed.Client(r)
			if got != row.want || forwarded != row.forwarded {
				t.Errorf("got %s, %t, want %s, %t", got, forwarded, row.want, row.forwarded)
			}
		})
	}
}

func TestNetworksContainTheirHosts(t *testing.T) {
	for address, want := range map[string]bool{
		"10.1.2.3": true, "10.1.2.3:1883": true, "::ffff:10.1.2.3": true, "[2001:db8::5]:1": true,
		"192.0.2.1": false, "2001:db8:1::5": false, "pipe": false, "": false,
	} {
		if got := listed.Contains(address); got != want {
			t.Errorf("%q: got %t, want %t", address, got, want)
		}
	}
}
