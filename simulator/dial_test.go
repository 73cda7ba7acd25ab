package simulator

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/muster-iot/muster/simulator/mqttlite"
	"github.com/muster-iot/muster/wire/mqtt"
)

// transports are the ways to reach a cloud over real sockets; each returns its address.
var transports = []struct {
	name   string
	listen func(t *testing.T, c *cloud) (url string, trust *x509.CertPool)
}{
	{"tcp", func(t *testing.T, c *cloud) (string, *x509.CertPool) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		acceptAll(t, c, l)
		return "tcp://" + l.Addr().String(), nil
	}},
	{"tls", func(t *testing.T, c *cloud) (string, *x509.CertPool) {
		web := httptest.NewTLSServer(nil) // for its certificate
		t.Cleanup(web.Close)
		l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: web.TLS.Certificates, MinVersion: tls.VersionTLS12})
		if err != nil {
			t.Fatal(err)
		}
		acceptAll(t, c, l)
		pool := x509.NewCertPool()
		pool.AddCert(web.Certificate())
		return "mqtts://" + l.Addr().String(), pool
	}},
	{"websocket", func(t *testing.T, c *cloud) (string, *x509.CertPool) {
		var taking sync.WaitGroup // Close does not wait for a handler whose connection is a WebSocket
		web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			taking.Add(1)
			defer taking.Done()
			upgrader := websocket.Upgrader{Subprotocols: []string{mqtt.Subprotocol}}
			ws, err := upgrader.Upgrade(w, r, nil)
			if err != nil {
				t.Error(err)
				return
			}
			c.take(mqtt.NewStream(ws.NetConn(), ws))
		}))
		t.Cleanup(func() { web.Close(); taking.Wait() })
		return "ws" + web.URL[len("http"):], nil
	}},
}

func acceptAll(t *testing.T, c *cloud, l net.Listener) {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			c.take(conn)
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-ended })
}

func TestUpdateOverEveryTransport(t *testing.T) {
	for _, transport := range transports {
		for _, client := range bothClients {
			t.Run(transport.name+"/"+client.name, func(t *testing.T) {
				f := newFirmware(2, 300_000, 4096)
				c := newCloud(t)
				served := make(chan struct{})
				go func() { defer close(served); c.serve(f) }()
				t.Cleanup(func() { close(c.links); <-served })
				url, trust := transport.listen(t, c)
				broker, err := mqttlite.ParseBroker(url)
				if err != nil {
					t.Fatal(err)
				}
				broker.TLS = &tls.Config{RootCAs: trust, MinVersion: tls.VersionTLS12}
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
				defer cancel()
				r, err := Run(ctx, Config{
					Broker: broker, Client: client.kind, Devices: credentials(5), Haste: 100, Every: 10 * time.Millisecond,
					Done: converged(f), Expect: everyone(f),
				})
				if err != nil || !r.Verdict.OK || r.Totals.Bytes != 5*300_000 || r.Totals.Duplicates != 0 {
					t.Errorf("got %+v, %v", r, err)
				}
			})
		}
	}
}
