package cloud

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"net"
	"time"

	"github.com/muster-iot/muster/certificate"
)

const (
	certificatesEvery = 10 * time.Second // between two looks at the files
	expiryEvery       = 24 * time.Hour   // between two warnings about one certificate
)

// listenTLS accepts MQTT over TLS (ALPN name: IANA, RFC 7301 §6).
func (c *Cloud) listenTLS() error {
	set, err := c.certificatesOf("mqtts", c.config.MQTTS.TLSCert, c.config.MQTTS.TLSKey)
	if err != nil {
		return err
	}
	addr, err := c.broker.ListenTLS(c.config.MQTTS.Addr, set.Config("mqtt"))
	if err != nil {
		return fmt.Errorf("mqtts: %w", err)
	}
	c.addresses.MQTTS = addr.String()
	return nil
}

// secureHTTP returns listener, with TLS over it where HTTP has certificates. It offers no
// HTTP/2, of which one connection could carry many requests at once: limits count connections.
func (c *Cloud) secureHTTP(listener net.Listener) (net.Listener, error) {
	if len(c.config.HTTP.TLSCert) == 0 {
		return listener, nil
	}
	set, err := c.certificatesOf("http", c.config.HTTP.TLSCert, c.config.HTTP.TLSKey)
	if err != nil {
		return listener, err
	}
	c.addresses.secure = true
	return tls.NewListener(listener, set.Config("http/1.1")), nil
}

func (c *Cloud) certificatesOf(listener string, certs, keys []string) (*certificate.Set, error) {
	set, err := certificate.Load(certificate.Pairs(certs, keys))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", listener, err)
	}
	c.certificates = append(c.certificates, set)
	return set, nil
}

// Reload reads the files of TLS certificates again. Run does so by itself, too, soon after
// they have changed.
func (c *Cloud) Reload() {
	for _, set := range c.certificates {
		changed, err := set.Reload()
		switch {
		case err != nil:
			c.log.Error("the new TLS certificates can't be used, the old ones stay", "err", err)
		case changed:
			for _, e := range set.Expiries() {
				c.log.Info("new TLS certificate", "file", e.File, "names", e.Names, "until", e.Until)
			}
		}
	}
}

// watchCertificates reloads certificates that have changed and warns of those that expire. It
// runs until ctx ends.
func (c *Cloud) watchCertificates(ctx context.Context) {
	if len(c.certificates) == 0 {
		return
	}
	warned := make(map[[sha256.Size]byte]time.Time)
	tick := time.NewTicker(certificatesEvery)
	defer tick.Stop()
	for {
		c.warnOfExpiry(ctx, warned)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			c.Reload()
		}
	}
}

// warnOfExpiry logs each certificate that expires soon, once a day, and raises an alert at the
// first time. warned is when each was logged last.
func (c *Cloud) warnOfExpiry(ctx context.Context, warned map[[sha256.Size]byte]time.Time) {
	now := time.Now()
	for _, set := range c.certificates {
		for _, e := range set.Expiries() {
			last, known := warned[e.Sum]
			if !e.Soon(now) || known && now.Sub(last) < expiryEvery {
				continue
			}
			warned[e.Sum] = now
			c.log.Warn("a TLS certificate expires: replace its files", "file", e.File, "names", e.Names, "until", e.Until)
			if !known {
				c.activity.RaiseInAllTeams(ctx, "certificate_expiring",
					"the server's TLS certificate for "+e.Names+" is valid until "+e.Until.UTC().Format("2006-01-02 15:04 MST")+": devices and browsers refuse it after that")
			}
		}
	}
}
