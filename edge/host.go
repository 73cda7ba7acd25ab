package edge

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// knows reports whether r is for this server's name. A page that has its own name resolve to
// this server's address (DNS rebinding) is not. IP addresses and localhost can't be rebound, and
// health is for everybody.
func (g *guard) knows(r *http.Request) bool {
	if g.Host == "" || r.URL.Path == "/healthz" || r.URL.Path == "/readyz" {
		return true
	}
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if _, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return true
	}
	host = strings.TrimSuffix(host, ".")
	return strings.EqualFold(host, g.Host) || strings.EqualFold(host, "localhost")
}
