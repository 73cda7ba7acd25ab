package limit

import "testing"

func TestIPv6AddressesAreLimitedByTheirNetwork(t *testing.T) {
	for _, row := range []struct{ address, want string }{
		{"192.0.2.1", "192.0.2.1"},
		{"::ffff:192.0.2.1", "192.0.2.1"},
		{"2001:db8:0:1:aaaa::1", "2001:db8:0:1::/64"},
		{"2001:db8:0:1:bbbb::2", "2001:db8:0:1::/64"},
		{"2001:db8:0:2::1", "2001:db8:0:2::/64"},
		{"fe80::1%eth0", "fe80::/64"},
		{"pipe", "pipe"},
		{"", ""},
	} {
		if got := Network(row.address); got != row.want {
			t.Errorf("%q: got %q, want %q", row.address, got, row.want)
		}
	}
}

func TestSitesAreWhatOneCustomerUsuallyHas(t *testing.T) {
	for _, row := range []struct{ address, want string }{
		{"192.0.2.1", "192.0.2.0/24"},
		{"::ffff:192.0.2.1", "192.0.2.0/24"},
		{"2001:db8:0:1:aaaa::1", "2001:db8::/48"},
		{"2001:db8:1:1::1", "2001:db8:1::/48"},
		{"fe80::1%eth0", "fe80::/48"},
		{"pipe", "pipe"},
	} {
		if got := Site(row.address); got != row.want {
			t.Errorf("%q: got %q, want %q", row.address, got, row.want)
		}
	}
}
