package cloud_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/muster-iot/muster/certificate"
	"github.com/muster-iot/muster/certificate/selfsigned"
	"github.com/muster-iot/muster/cloud"
	"github.com/muster-iot/muster/cloud/cloudtest"
	"github.com/muster-iot/muster/simulator/mqttlite"
	"github.com/muster-iot/muster/wire/mqtt"
)

// secured is a server with MQTT over TLS, the files of its certificate, which is valid for left
// of 90 days, and what trusts it.
func secured(t *testing.T, left time.Duration) (*cloudtest.Server, certificate.Pair, *x509.CertPool) {
	t.Helper()
	dir := t.TempDir()
	pair := certificate.Pair{Cert: filepath.Join(dir, "tls.crt"), Key: filepath.Join(dir, "tls.key")}
	pool := renew(t, pair, left)
	s := cloudtest.Serve(t, func(c *cloud.Config) {
		c.MQTTS.Addr, c.MQTTS.TLSCert, c.MQTTS.TLSKey = "127.0.0.1:0", []string{pair.Cert}, []string{pair.Key}
	})
	return s, pair, pool
}

const day = 24 * time.Hour

func renew(t *testing.T, pair certificate.Pair, left time.Duration) *x509.CertPool {
	t.Helper()
	end := time.Now().Add(left)
	pool, err := selfsigned.Write(pair, end.Add(-90*day), end, "localhost", "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	return pool
}

func secureBroker(s *cloudtest.Server, pool *x509.CertPool) mqttlite.Broker {
	return mqttlite.Broker{Scheme: "tls", Host: s.Cloud.Addresses().MQTTS, TLS: &tls.Config{RootCAs: pool, ServerName: "localhost", NextProtos: []string{"mqtt"}}}
}

func TestNewCertificatesAreServedAndConnectionsStayOpen(t *testing.T) {
	t.Parallel()
	s, pair, pool := secured(t, 80*day)
	secrets := s.Enroll("lamp-1", "lamp-2")
	before := cloudtest.Dial(t, secureBroker(s, pool), secrets[0])
	before.Hello(1)
	renewed := renew(t, pair, 90*day)
	s.Cloud.Reload()
	after := cloudtest.Dial(t, secureBroker(s, renewed), secrets[1]) // which trusts no other
	after.Hello(1)
	before.VerifyAlive()
}

func TestACertificateThatExpiresSoonRaisesAnAlert(t *testing.T) {
	t.Parallel()
	s, pair, _ := secured(t, 10*day)
	cloudtest.Until(t, "an alert names the certificate", func() bool {
		alerts, _, err := s.Cloud.Store().Messages.Alerts(t.Context(), 1, "", false, "", 100)
		if err != nil {
			t.Fatal(err)
		}
		return len(alerts) == 1 && alerts[0].Name == "certificate_expiring" && strings.Contains(alerts[0].Text, "localhost")
	})
	if got := s.Metric(`muster_certificate_expiry_seconds{file="` + pair.Cert + `"}`); got < float64(time.Now().Unix()) {
		t.Errorf("got metric %v, want a time to come", got)
	}
}

func TestSIGHUPReloadsCertificatesAndDoesNotEndTheServer(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	pair := certificate.Pair{Cert: filepath.Join(dir, "tls.crt"), Key: filepath.Join(dir, "tls.key")}
	renew(t, pair, 80*day)
	p := cloudtest.Spawn(t, func(p *cloudtest.Process) {
		p.Env = []string{"MUSTER_MQTTS_ADDR=127.0.0.1:0", "MUSTER_MQTTS_TLS_CERT=" + pair.Cert, "MUSTER_MQTTS_TLS_KEY=" + pair.Key}
	})
	text, err := os.ReadFile(filepath.Join(p.Folder, "ready.json"))
	if err != nil {
		t.Fatal(err)
	}
	var at cloud.Addresses
	if err := json.Unmarshal(text, &at); err != nil {
		t.Fatal(err)
	}
	renewed := renew(t, pair, 90*day)
	if err := p.Cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	cloudtest.Until(t, "the new certificate is served", func() bool {
		select {
		case <-p.Ended:
			t.Fatalf("the server ended: %s", p.Output)
		default:
		}
		conn, err := tls.Dial("tcp", at.MQTTS, &tls.Config{RootCAs: renewed, ServerName: "localhost"})
		if err != nil {
			return false
		}
		return conn.Close() == nil
	})
	p.Owner()
}

func TestHTTPWithTLSOfItsOwnServesTheAPIAndWebSocket(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	pair := certificate.Pair{Cert: filepath.Join(dir, "tls.crt"), Key: filepath.Join(dir, "tls.key")}
	pool := renew(t, pair, 80*day)
	config := cloudtest.Config(t)
	config.HTTP.TLSCert, config.HTTP.TLSKey = []string{pair.Cert}, []string{pair.Key}
	c, err := cloud.New(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	cloudtest.Run(t, c)
	trusting := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true}
	t.Cleanup(trusting.CloseIdleConnections)
	response, err := (&http.Client{Transport: trusting}).Get("https://" + c.Addresses().HTTP + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK || response.ProtoMajor != 1 {
		t.Errorf("got %s %s, want 200 over HTTP/1.1", response.Proto, response.Status)
	}
	if web := c.Addresses().WebSocket; !strings.HasPrefix(web, "wss://") {
		t.Errorf("got %s, want wss", web)
	}
	broker := mqttlite.Broker{Scheme: "wss", Host: c.Addresses().HTTP, Path: "/mqtt", TLS: &tls.Config{RootCAs: pool}}
	_, err = mqttlite.Dial(t.Context(), broker, mqtt.Client{ID: "stranger", User: "stranger", Password: "wrong"})
	var refused *mqttlite.Refused
	if !errors.As(err, &refused) {
		t.Errorf("MQTT over wss: got %v, want an answer to CONNECT", err)
	}
}
