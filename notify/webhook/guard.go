package webhook

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"syscall"
)

// Guard decides which addresses may be posted to. By default, none of the installation's own
// network: whoever may set a URL could reach services there that trust their network.
type Guard struct{ Allow []netip.Prefix }

// notPublic are address ranges that netip has no name for and that don't lead to the internet, or
// that hold another address (IANA special-purpose address registries).
var notPublic = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("100.64.0.0/10"), // carrier-grade NAT, RFC 6598; metadata of some clouds
	netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("192.0.2.0/24"),
	netip.MustParsePrefix("198.18.0.0/15"),
	netip.MustParsePrefix("198.51.100.0/24"),
	netip.MustParsePrefix("203.0.113.0/24"),
	netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("::/96"),
	netip.MustParsePrefix("64:ff9b::/96"),   // NAT64, RFC 6052
	netip.MustParsePrefix("64:ff9b:1::/48"), // RFC 8215
	netip.MustParsePrefix("100::/64"),
	netip.MustParsePrefix("2001::/32"), // Teredo
	netip.MustParsePrefix("2001:db8::/32"),
	netip.MustParsePrefix("2002::/16"), // 6to4
	netip.MustParsePrefix("fec0::/10"),
}

// Check returns why a may not be posted to, nil if it may.
func (g Guard) Check(a netip.Addr) error {
	a = a.Unmap().WithZone("")
	for _, p := range g.Allow {
		if p.Contains(a) {
			return nil
		}
	}
	refused := !a.IsGlobalUnicast() || a.IsPrivate() || ofThisMachine(a)
	for _, p := range notPublic {
		refused = refused || p.Contains(a)
	}
	if refused {
		return fmt.Errorf("%s is not an address of the internet: to allow it, the operator of the server lists its network in notify.allow", a)
	}
	return nil
}

// ofThisMachine reports whether a is the address of one of the machine's network interfaces.
func ofThisMachine(a netip.Addr) bool {
	own, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	for _, o := range own {
		if n, ok := o.(*net.IPNet); ok && n.IP.Equal(a.AsSlice()) {
			return true
		}
	}
	return false
}

// control checks the address that a connection is about to be made to: after the name was
// resolved, so that a name cannot lead elsewhere than it did when it was checked.
func (g Guard) control(_, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("address %s: %w", address, err)
	}
	return g.Check(to.Addr())
}

// maxURL bounds a URL, in bytes.
const maxURL = 2000

// CheckURL returns what is wrong with the URL of a webhook, nil for nothing. Names are resolved at
// each attempt only.
func (g Guard) CheckURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "":
		return fmt.Errorf("%.80q is not the URL of a webhook: use https://HOST/PATH", text)
	case len(text) > maxURL:
		return fmt.Errorf("the URL has more than %d bytes", maxURL)
	case u.User != nil:
		return fmt.Errorf("the URL has a user or password: leave it out, the signature shows who sends")
	case u.Fragment != "":
		return fmt.Errorf("the URL has a fragment (#...), which is never sent: leave it out")
	}
	if a, err := netip.ParseAddr(u.Hostname()); err == nil {
		return g.Check(a)
	}
	return nil
}
