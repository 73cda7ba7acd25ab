// Package proxy finds the address of a client whose connection or request comes through a
// proxy: from the header of the PROXY protocol, or from X-Forwarded-For. It hides both formats,
// and trusts neither unless it comes from a network that the operator listed.
package proxy

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// Networks are the networks whose hosts are proxies. The zero value has none.
type Networks []netip.Prefix

// Contains reports whether address, which may have a port, is one of a proxy.
func (n Networks) Contains(address string) bool {
	ip, ok := parse(address)
	return ok && n.contains(ip)
}

func (n Networks) contains(ip netip.Addr) bool {
	for _, network := range n {
		if network.Contains(ip) {
			return true
		}
	}
	return false
}

// Client returns the address, without a port, of the client that sent r: the peer's, or where
// that is a proxy the rightmost one in X-Forwarded-For that is not a proxy's. What a client
// wrote into that header is left of its own address, and ignored. forwarded reports whether
// the address is from the header.
func (n Networks) Client(r *http.Request) (address string, forwarded bool) {
	peer, ok := parse(r.RemoteAddr)
	if !ok {
		return r.RemoteAddr, false
	}
	if !n.contains(peer) {
		return peer.String(), false
	}
	client := peer
	list := strings.Join(r.Header.Values("X-Forwarded-For"), ",")
	for list != "" {
		cut := strings.LastIndexByte(list, ',')
		ip, ok := parse(strings.TrimSpace(list[cut+1:]))
		if !ok {
			break // the proxy right of it did not have its peer
		}
		client = ip
		if !n.contains(ip) {
			break
		}
		list = list[:max(cut, 0)]
	}
	return client.String(), client != peer
}

// parse reads an IP address with or without a port. An IPv4 address in IPv6 is an IPv4 address.
func parse(address string) (netip.Addr, bool) {
	if host, _, err := net.SplitHostPort(address); err == nil {
		address = host
	}
	ip, err := netip.ParseAddr(strings.Trim(address, "[]"))
	return ip.Unmap().WithZone(""), err == nil
}
