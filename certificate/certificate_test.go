package certificate_test

import (
	"crypto/tls"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/muster-iot/muster/certificate"
	"github.com/muster-iot/muster/certificate/selfsigned"
)

func files(t *testing.T, name string) certificate.Pair {
	dir := t.TempDir()
	return certificate.Pair{Cert: filepath.Join(dir, name+".crt"), Key: filepath.Join(dir, name+".key")}
}

func write(t *testing.T, pair certificate.Pair, life time.Duration, names ...string) {
	t.Helper()
	if _, err := selfsigned.Write(pair, time.Now(), time.Now().Add(life), names...); err != nil {
		t.Fatal(err)
	}
}

func load(t *testing.T, pairs ...certificate.Pair) *certificate.Set {
	t.Helper()
	s, err := certificate.Load(pairs)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// shakeHands connects a client to a server with config and returns what they agreed on. The
// client reads a byte, since tickets of TLS 1.3 come after the handshake.
func shakeHands(t *testing.T, server, client *tls.Config) (tls.ConnectionState, error) {
	t.Helper()
	near, far := net.Pipe()
	defer near.Close()
	go func() {
		defer far.Close()
		s := tls.Server(far, server)
		_, _ = s.Write([]byte{1})
		_, _ = s.Read(make([]byte, 1))
	}()
	c := tls.Client(near, client)
	if err := c.Handshake(); err != nil {
		return tls.ConnectionState{}, err
	}
	_, err := c.Read(make([]byte, 1))
	return c.ConnectionState(), err
}

func asking(name string) *tls.Config {
	return &tls.Config{ServerName: name, InsecureSkipVerify: true}
}

func served(t *testing.T, server, client *tls.Config) string {
	t.Helper()
	state, err := shakeHands(t, server, client)
	if err != nil {
		t.Fatal(err)
	}
	return state.PeerCertificates[0].Subject.CommonName
}

func TestAClientGetsTheCertificateForTheNameItAsksFor(t *testing.T) {
	a, b := files(t, "a"), files(t, "b")
	write(t, a, time.Hour, "a.example")
	write(t, b, time.Hour, "b.example", "*.b.example")
	config := load(t, a, b).Config("mqtt")
	for _, row := range []struct{ asked, want string }{
		{"a.example", "a.example"},
		{"b.example", "b.example"},
		{"x.b.example", "b.example"},
		{"other.example", "a.example"},
		{"", "a.example"},
	} {
		if got := served(t, config, asking(row.asked)); got != row.want {
			t.Errorf("asked for %q: got %q, want %q", row.asked, got, row.want)
		}
	}
}

func TestChangedFilesAreServedAndBrokenOnesAreNot(t *testing.T) {
	pair := files(t, "a")
	write(t, pair, time.Hour, "old.example")
	s := load(t, pair)
	config := s.Config()
	reload := func(what string, changed, fails bool, want string) {
		t.Helper()
		got, err := s.Reload()
		if got != changed || (err != nil) != fails {
			t.Errorf("%s: got changed %t, error %v; want %t, error %t", what, got, err, changed, fails)
		}
		if name := served(t, config, asking("")); name != want {
			t.Errorf("%s: got %s served, want %s", what, name, want)
		}
	}
	reload("nothing changed", false, false, "old.example")
	good, err := os.ReadFile(pair.Cert)
	if err != nil {
		t.Fatal(err)
	}
	write(t, pair, time.Hour, "new.example")
	fresh, err := os.ReadFile(pair.Cert)
	if err != nil {
		t.Fatal(err)
	}
	replace := func(cert []byte) {
		if err := os.WriteFile(pair.Cert, cert, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	replace(good)
	reload("the key is new, the certificate old", false, true, "old.example")
	reload("still so", false, false, "old.example")
	replace(fresh[:len(fresh)/2])
	reload("half a certificate", false, true, "old.example")
	replace(fresh)
	reload("both new", true, false, "new.example")
	if err := os.Remove(pair.Key); err != nil {
		t.Fatal(err)
	}
	reload("the key is gone", false, true, "new.example")
}

func TestAFileThatCanNotBeUsedIsNamed(t *testing.T) {
	pair := files(t, "missing")
	if _, err := certificate.Load([]certificate.Pair{pair}); err == nil || !strings.Contains(err.Error(), pair.Cert) {
		t.Errorf("got %v, want an error that names %s", err, pair.Cert)
	}
}

func TestSessionsAreResumedAlsoAfterAChangeOfCertificates(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		pair := files(t, "a")
		write(t, pair, time.Hour, "a.example")
		s := load(t, pair)
		server := s.Config("mqtt")
		client := asking("a.example")
		client.MaxVersion, client.ClientSessionCache = version, tls.NewLRUClientSessionCache(1)
		for i, want := range []bool{false, true, true} {
			if i == 2 {
				write(t, pair, time.Hour, "a.example")
				if changed, err := s.Reload(); !changed || err != nil {
					t.Fatalf("got %t, %v", changed, err)
				}
			}
			state, err := shakeHands(t, server, client)
			if err != nil {
				t.Fatal(err)
			}
			if state.DidResume != want {
				t.Errorf("%s, connection %d: got resumed %t, want %t", tls.VersionName(version), i+1, state.DidResume, want)
			}
		}
	}
}

func TestAClientThatSpeaksSomethingElseIsRefused(t *testing.T) {
	pair := files(t, "a")
	write(t, pair, time.Hour, "a.example")
	config := load(t, pair).Config("mqtt")
	for _, row := range []struct {
		offered []string
		want    string
		refused bool
	}{
		{nil, "", false},
		{[]string{"mqtt"}, "mqtt", false},
		{[]string{"h2", "mqtt"}, "mqtt", false},
		{[]string{"h2"}, "", true},
	} {
		client := asking("")
		client.NextProtos = row.offered
		state, err := shakeHands(t, config, client)
		if (err != nil) != row.refused || state.NegotiatedProtocol != row.want {
			t.Errorf("offered %q: got %q, %v; want %q, refused %t", row.offered, state.NegotiatedProtocol, err, row.want, row.refused)
		}
	}
}

func TestExpiryIsAnnouncedTwoWeeksAheadOrAQuarterOfALife(t *testing.T) {
	const day = 24 * time.Hour
	for _, row := range []struct{ life, left time.Duration }{{90 * day, 14 * day}, {8 * day, 2 * day}} {
		pair := files(t, "a")
		write(t, pair, row.life, "a.example", "192.0.2.1")
		e := load(t, pair).Expiries()[0]
		if e.Names != "a.example, 192.0.2.1" || e.File != pair.Cert {
			t.Errorf("got names %q, file %q", e.Names, e.File)
		}
		due := e.Until.Add(-row.left)
		if e.Soon(due.Add(-time.Hour)) || !e.Soon(due.Add(time.Hour)) {
			t.Errorf("a life of %s: want notice from %s before the end", row.life, row.left)
		}
	}
}
