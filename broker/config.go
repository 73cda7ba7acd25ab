package broker

import (
	"time"

	"github.com/muster-iot/muster/proxy"
	"github.com/muster-iot/muster/wire"
)

// Config bounds what connections may cost. MaxConnections, MaxKeepAlive, MaxPendingPer and
// ProxyFrom are settings of the operator; for the others, zero means the default named.
type Config struct {
	ProxyFrom        proxy.Networks // whose TCP and TLS connections begin with a PROXY protocol header
	MaxConnections   int            // admitted at a time. Above it, CONNACK 3 / 0x89
	MaxPending       int            // not admitted yet, at a time; 1,024. Above it, the oldest silent one ends, or accepting waits
	MaxKeepAlive     time.Duration  // longest keep-alive granted; 1 s to 12 h
	MaxPendingPer    int            // of these, from one IPv4 address or IPv6 /64; a quarter. Above it, the oldest silent one ends
	FirstByteTimeout time.Duration  // for the first byte, of MQTT or TLS; 2 s
	HandshakeTimeout time.Duration  // for TLS, the first byte included; 5 s
	ConnectTimeout   time.Duration  // from then to a complete CONNECT; 5 s
	WriteTimeout     time.Duration  // a connection that takes no byte for so long, or an eighth longer, ends; 30 s
	TakeoverTimeout  time.Duration  // for a device's older connection to finish; 15 s. After it, CONNACK 3 / 0x89
	ConnectBurst     int            // connections of one device at once, then one per ConnectInterval; wire.ConnectBurst. Above it, CONNACK waits
	ConnectInterval  time.Duration  // wire.ConnectInterval
	RivalBurst       int            // connections of one device that end one that is alive, then one per wire.RivalInterval; wire.RivalBurst
}

// maxKeepAlive is well within the 16 bits of seconds that MQTT has for it.
const maxKeepAlive = 12 * time.Hour

func (c Config) withDefaults() Config {
	or := func(d *time.Duration, fallback time.Duration) {
		if *d <= 0 {
			*d = fallback
		}
	}
	if c.MaxPending <= 0 {
		c.MaxPending = 1024
	}
	if c.MaxPendingPer <= 0 {
		c.MaxPendingPer = max(1, c.MaxPending/4)
	}
	c.MaxKeepAlive = min(max(c.MaxKeepAlive, time.Second), maxKeepAlive)
	or(&c.FirstByteTimeout, 2*time.Second)
	or(&c.HandshakeTimeout, 5*time.Second)
	or(&c.ConnectTimeout, 5*time.Second)
	or(&c.WriteTimeout, 30*time.Second)
	if c.ConnectBurst <= 0 {
		c.ConnectBurst = wire.ConnectBurst
	}
	if c.RivalBurst <= 0 {
		c.RivalBurst = wire.RivalBurst
	}
	or(&c.ConnectInterval, wire.ConnectInterval)
	or(&c.TakeoverTimeout, 15*time.Second)
	return c
}

// keepAlive is the longest keep-alive granted, in seconds.
func (c Config) keepAlive() uint16 { return uint16(c.MaxKeepAlive / time.Second) }
