package mqttlite

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/url"
	"time"

	"github.com/muster-iot/muster/fleet"
)

// Broker is where devices connect to. The zero value is nowhere.
type Broker struct {
	// Dialer opens connections when set; Scheme, Host and Path are not used then.
	Dialer func(ctx context.Context) (net.Conn, error)
	Scheme string // tcp, tls, ws or wss
	Host   string // host:port
	Path   string // of ws and wss
	TLS    *tls.Config
	Source net.IP // local address; nil: any
}

const dialTimeout = 20 * time.Second

var brokerPorts = map[string]string{"tcp": "1883", "tls": "8883", "ws": "80", "wss": "443"}

// ParseBroker reads tcp://host[:1883] (also mqtt://, or nothing before the host),
// tls://host[:8883] (also mqtts://, ssl://), ws://host[:80]/path and wss://. The path
// defaults to /mqtt. Errors are fleet.Invalid.
func ParseBroker(s string) (Broker, error) {
	wrong := func(why string) error {
		return fleet.FieldErrorf("broker", "broker %.200q: %s; use host:port, tcp://, tls://, ws:// or wss://", s, why)
	}
	text := s
	if u, err := url.Parse(s); err != nil || u.Host == "" {
		text = "tcp://" + s
	}
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" {
		return Broker{}, wrong("no host")
	}
	b := Broker{Scheme: u.Scheme, Path: u.Path}
	switch u.Scheme {
	case "mqtt":
		b.Scheme = "tcp"
	case "mqtts", "ssl":
		b.Scheme = "tls"
	}
	port, known := brokerPorts[b.Scheme]
	web := b.Scheme == "ws" || b.Scheme == "wss"
	switch {
	case !known:
		return Broker{}, wrong("unknown scheme " + u.Scheme)
	case !web && b.Path != "" && b.Path != "/":
		return Broker{}, wrong("a path is for ws:// and wss:// only")
	case web && b.Path == "":
		b.Path = "/mqtt"
	}
	if u.Port() != "" {
		port = u.Port()
	}
	b.Host = net.JoinHostPort(u.Hostname(), port)
	return b, nil
}

// Dial opens one connection, within 20 s, without sending anything yet.
func (b Broker) Dial(ctx context.Context) (net.Conn, error) {
	if b.Dialer != nil {
		return b.Dialer(ctx)
	}
	dialer := &net.Dialer{Timeout: dialTimeout, Control: bindLate}
	if b.Source != nil {
		dialer.LocalAddr = &net.TCPAddr{IP: b.Source}
	}
	switch b.Scheme {
	case "tcp":
		return dialer.DialContext(ctx, "tcp", b.Host)
	case "tls":
		return (&tls.Dialer{NetDialer: dialer, Config: b.TLS}).DialContext(ctx, "tcp", b.Host)
	case "ws", "wss":
		return b.dialWeb(ctx, dialer)
	}
	return nil, fmt.Errorf("no broker to connect to")
}

// Spread is b with the source address of the n-th of many connections: one of
// 127.0.0.0/8 for each perSource, since one address has some 28,000 ports to one
// destination. Only Linux has all of these addresses without configuration.
func (b Broker) Spread(n int) Broker {
	const perSource = 250
	k := n/perSource + 1
	b.Source = net.IPv4(127, byte(k>>16&0x7f), byte(k>>8), byte(k))
	return b
}
