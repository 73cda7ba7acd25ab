// Package certificate serves TLS certificates from files, and new ones as soon as the files
// change: connections that are open keep theirs.
package certificate

import (
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

// Pair names the PEM files of one certificate: the chain, the server's own first, and its
// private key.
type Pair struct{ Cert, Key string }

// Pairs combines certs and keys in their order; there are as many of each.
func Pairs(certs, keys []string) []Pair {
	pairs := make([]Pair, len(certs))
	for i := range certs {
		pairs[i] = Pair{Cert: certs[i], Key: keys[i]}
	}
	return pairs
}

// Set is the certificates of one listener. It is safe for concurrent use.
type Set struct {
	pairs []Pair

	mu      sync.RWMutex
	current []tls.Certificate // guarded by mu
	read    [sha256.Size]byte // of the files that current was read from; guarded by mu
	refused [sha256.Size]byte // of files that could not be used; guarded by mu
}

// Load reads the certificates of pairs, at least one. Its error names the files.
func Load(pairs []Pair) (*Set, error) {
	s := &Set{pairs: pairs}
	if _, err := s.Reload(); err != nil {
		return nil, err
	}
	return s, nil
}

// Reload reads the files again and reports whether new certificates are served from now on.
// With an error those served before stay. Files that were refused already, and have not
// changed since, are not reported again.
func (s *Set) Reload() (changed bool, err error) {
	certificates, sum, err := s.readFiles()
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		again := sum == s.refused
		s.refused = sum
		if again {
			err = nil
		}
		return false, err
	}
	s.refused = [sha256.Size]byte{}
	if sum == s.read {
		return false, nil
	}
	s.current, s.read = certificates, sum
	return true, nil
}

// readFiles returns the certificates in the files, and a sum that differs when the files do.
func (s *Set) readFiles() (certificates []tls.Certificate, sum [sha256.Size]byte, err error) {
	hash := sha256.New()
	var errs []error
	for _, p := range s.pairs {
		cert, certErr := os.ReadFile(p.Cert)
		key, keyErr := os.ReadFile(p.Key)
		if err := errors.Join(certErr, keyErr); err != nil {
			fmt.Fprintln(hash, err)
			errs = append(errs, err)
			continue
		}
		fmt.Fprintln(hash, len(cert), len(key))
		hash.Write(cert)
		hash.Write(key)
		c, err := tls.X509KeyPair(cert, key)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s, %s: %w", p.Cert, p.Key, err))
			continue
		}
		certificates = append(certificates, c)
	}
	return certificates, [sha256.Size]byte(hash.Sum(nil)), errors.Join(errs...)
}

// Config returns the TLS configuration of a listener whose clients speak one of protocols
// (ALPN, RFC 7301). A client that offers others only is refused; one that offers none is
// served. Clients resume their sessions with tickets, also after a change of certificates.
// The result must not be copied: its ticket keys would differ.
func (s *Set) Config(protocols ...string) *tls.Config {
	return &tls.Config{GetCertificate: s.choose, NextProtos: protocols, MinVersion: tls.VersionTLS12}
}

// choose returns the first certificate for the name that the client asks for (SNI, RFC 6066
// §3) and the algorithms it supports. A client that asks for no name, or for one that there is
// no certificate for, gets the first: it has to verify the name in any case.
func (s *Set) choose(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	s.mu.RLock()
	current := s.current
	s.mu.RUnlock()
	if len(current) > 1 {
		for i := range current {
			if hello.SupportsCertificate(&current[i]) == nil {
				return &current[i], nil
			}
		}
	}
	return &current[0], nil
}

// Expiry is until when a certificate is valid.
type Expiry struct {
	File  string // PEM file of the certificate
	Names string // that it is for, separated by commas
	Until time.Time
	Sum   [sha256.Size]byte // of the certificate
	life  time.Duration
}

// Expiries returns when the certificates that are served expire, in the order of the files.
func (s *Set) Expiries() []Expiry {
	s.mu.RLock()
	defer s.mu.RUnlock()
	all := make([]Expiry, len(s.current))
	for i, c := range s.current {
		names := slices.Clone(c.Leaf.DNSNames)
		for _, ip := range c.Leaf.IPAddresses {
			names = append(names, ip.String())
		}
		all[i] = Expiry{
			File: s.pairs[i].Cert, Names: strings.Join(names, ", "), Until: c.Leaf.NotAfter,
			Sum: sha256.Sum256(c.Leaf.Raw), life: c.Leaf.NotAfter.Sub(c.Leaf.NotBefore),
		}
	}
	return all
}

// notice is how long before the end of a certificate somebody should replace it; a short-lived
// one has a quarter of its life.
const notice = 14 * 24 * time.Hour

// Soon reports whether it is time to replace the certificate.
func (e Expiry) Soon(now time.Time) bool { return !now.Before(e.Until.Add(-min(notice, e.life/4))) }
