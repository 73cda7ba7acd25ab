package limit

import "net/netip"

// Network is the key to limit a peer by: an IPv4 address itself, the /64 of an IPv6 address,
// because one host may use all of that. address has no port. What is not an IP address is
// returned as it is.
func Network(address string) string {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return address
	}
	ip = ip.Unmap().WithZone("")
	if ip.Is4() {
		return ip.String()
	}
	return netip.PrefixFrom(ip, 64).Masked().String()
}

// Site is what usually belongs to one customer of a network: the /24 of an IPv4 address, the /48
// of an IPv6 address. What is not an IP address is returned as it is.
func Site(address string) string {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return address
	}
	ip = ip.Unmap().WithZone("")
	bits := 48
	if ip.Is4() {
		bits = 24
	}
	return netip.PrefixFrom(ip, bits).Masked().String()
}
