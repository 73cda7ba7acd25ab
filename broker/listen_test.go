package broker

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"github.com/muster-iot/muster/broker/chunkio"
	"github.com/muster-iot/muster/wire/mqtt"
)

// selfSigned is a server's TLS configuration for 127.0.0.1.
func selfSigned(t testing.TB) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{{127, 0, 0, 1}}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}

var anyCertificate = &tls.Config{InsecureSkipVerify: true} // a test's own certificate

// transports are the ways in; each dials a broker that listens its way.
func transports(t *testing.T, test func(t *testing.T, b *Broker, cloud *cloud, dial func() net.Conn)) {
	webSocket := func(t *testing.T, url string) net.Conn {
		dialer := websocket.Dialer{Subprotocols: []string{"mqtt"}, TLSClientConfig: anyCertificate}
		ws, answer, err := dialer.Dial(url, nil)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		if got := ws.Subprotocol(); got != "mqtt" {
			t.Errorf("subprotocol %q, want mqtt", got)
		}
		return mqtt.NewStream(ws.NetConn(), ws)
	}
	for _, row := range []struct {
		name string
		open func(t *testing.T, b *Broker) func() net.Conn
	}{
		{"TCP", func(t *testing.T, b *Broker) func() net.Conn {
			addr, err := b.ListenTCP("127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			return func() net.Conn { conn, _ := net.Dial("tcp", addr.String()); return conn }
		}},
		{"TLS", func(t *testing.T, b *Broker) func() net.Conn {
			addr, err := b.ListenTLS("127.0.0.1:0", selfSigned(t))
			if err != nil {
				t.Fatal(err)
			}
			return func() net.Conn {
				conn, err := tls.Dial("tcp", addr.String(), anyCertificate)
				if err != nil {
					t.Fatal(err)
				}
				return conn
			}
		}},
		{"WebSocket", func(t *testing.T, b *Broker) func() net.Conn {
			server := httptest.NewServer(b.WebSocket())
			t.Cleanup(server.Close)
			return func() net.Conn { return webSocket(t, strings.Replace(server.URL, "http", "ws", 1)) }
		}},
		{"WebSocket over TLS", func(t *testing.T, b *Broker) func() net.Conn {
			server := httptest.NewTLSServer(b.WebSocket())
			t.Cleanup(server.Close)
			return func() net.Conn { return webSocket(t, strings.Replace(server.URL, "https", "wss", 1)) }
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			cloud := newCloud()
			b := start(t, Config{}, cloud)
			test(t, b, cloud, row.open(t, b))
		})
	}
}

func TestEveryTransportCarriesFirmware(t *testing.T) {
	transports(t, func(t *testing.T, b *Broker, cloud *cloud, dial func() net.Conn) {
		both(t, func(t *testing.T, version byte) {
			c := newClient(t, dial(), version).join("gw")
			s := <-cloud.came
			if s.connect.Address != "127.0.0.1" {
				t.Errorf("address %q, want 127.0.0.1", s.connect.Address)
			}
			c.send(subscribePacket(version, 1, "d/gw/down/#"), publishPacket(version, 1, 2, "d/gw/up/msg", []byte("x")))
			if p := c.next(); p.head != mqtt.SubAck.Head(0) {
				t.Errorf("got %#x, want SUBACK", p.head)
			}
			c.expect("PUBACK", mqtt.PubAck.Head(0), 0, 2)
			s.link().Chunks(topicOf(t, own)).Send(newImage(300, 16<<10), 0, 300)
			for i := range uint32(300) {
				c.expectChunk(own, i)
			}
			c.ping()
		})
	})
}

func TestEveryTransportTellsRefusals(t *testing.T) {
	transports(t, func(t *testing.T, b *Broker, cloud *cloud, dial func() net.Conn) {
		c := newClient(t, dial(), mqtt.V5)
		c.send(append(connectPacket(mqtt.V5, hello{id: "d1", user: "d1", password: "wrong"}),
			publishPacket(mqtt.V5, 0, 0, "d/d1/up/hello", make([]byte, 2000))...)) // does not wait for CONNACK
		c.expect("CONNACK", mqtt.ConnAck.Head(0), 0, codeNotAuthorized, 0)
		if _, err := c.receive(); errors.Is(err, syscall.ECONNRESET) {
			t.Error("the connection was reset: what was written last may be lost")
		}
	})
}

func TestEveryTransportIsTakenOverWhileItStalls(t *testing.T) {
	transports(t, func(t *testing.T, b *Broker, cloud *cloud, dial func() net.Conn) {
		newClient(t, dial(), mqtt.V311).join("gw") // never reads again
		s := <-cloud.came
		im := newImage(64, 64<<10)
		for i := range uint32(4) {
			s.link().Chunks(topicOf(t, own)).Send(im, i*16, 16)
		}
		for range 3000 { // until its buffers are full
			if s.link().out.Waiting() > 0 {
				break
			}
			s.link().Chunks(topicOf(t, child)).Send(im, 0, 64)
			if err := s.link().out.Write([]byte{0xD0, 0}); err != nil {
				t.Fatal(err)
			}
		}
		newClient(t, dial(), mqtt.V311).join("gw") // it is refused where the older connection has not ended in time
	})
}

func TestWebSocketWithoutTheSubprotocolIsRefused(t *testing.T) {
	b := start(t, Config{}, newCloud())
	server := httptest.NewServer(b.WebSocket())
	defer server.Close()
	_, answer, err := websocket.DefaultDialer.Dial(strings.Replace(server.URL, "http", "ws", 1), nil)
	if err == nil || answer.StatusCode != http.StatusBadRequest {
		t.Errorf("got %v, want 400", answer)
	}
	_ = answer.Body.Close()
}

func TestTextMessagesEndAWebSocket(t *testing.T) {
	b := start(t, Config{}, newCloud())
	server := httptest.NewServer(b.WebSocket())
	defer server.Close()
	dialer := websocket.Dialer{Subprotocols: []string{"mqtt"}}
	ws, answer, err := dialer.Dial(strings.Replace(server.URL, "http", "ws", 1), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ws.Close(); _ = answer.Body.Close() }()
	_ = ws.WriteMessage(websocket.TextMessage, connectPacket(mqtt.V311, hello{id: "d1", user: "d1", password: "proof"}))
	if _, _, err := ws.ReadMessage(); err == nil {
		t.Error("still open")
	}
}

func TestSilenceInTheTLSHandshakeEnds(t *testing.T) {
	for _, row := range []struct {
		name, sent string
		ends       time.Duration
	}{{"nothing sent", "", 2 * time.Second}, {"the head of a ClientHello", "\x16\x03\x01", 5 * time.Second}} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := start(t, Config{}, newCloud())
				near, far := net.Pipe()
				conn := chunkio.NewConn(far, b.cfg.WriteTimeout)
				go b.serve(tls.Server(&firstByte{Conn: conn}, new(tls.Config)), conn, b.room(far))
				begun := time.Now()
				if row.sent != "" {
					_, _ = near.Write([]byte(row.sent))
				}
				if _, err := bufio.NewReader(near).ReadByte(); err == nil {
					t.Error("it spoke first")
				}
				if took := time.Since(begun); took != row.ends {
					t.Errorf("ended after %v, want %v", took, row.ends)
				}
			})
		})
	}
}

// shortOfDescriptors fails to accept at first.
type shortOfDescriptors struct {
	net.Listener
	failures int
}

func (s *shortOfDescriptors) Accept() (net.Conn, error) {
	if s.failures > 0 {
		s.failures--
		return nil, &net.OpError{Op: "accept", Err: syscall.EMFILE}
	}
	return s.Listener.Accept()
}

func TestAcceptSurvivesRunningOutOfDescriptors(t *testing.T) {
	cloud := newCloud()
	b := start(t, Config{}, cloud)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if !b.add(ln) {
		t.Fatal("stopping")
	}
	go func() {
		defer b.served.Done()
		b.accept(&shortOfDescriptors{ln, 3}, b.attach)
	}()
	dial(t, ln.Addr(), mqtt.V311).join("d1")
}

func TestShutdownGivesUpWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cloud := newCloud()
		b := New(bounded(Config{}), cloud, slog.New(slog.DiscardHandler))
		hold := make(chan struct{})
		cloud.receive = func(*session, note) error { <-hold; return nil }
		c := pipe(t, b, mqtt.V311).join("d1")
		c.send(publishPacket(mqtt.V311, 0, 0, "d/d1/up/msg", nil))
		synctest.Wait()
		ctx, cancel := contextFor(time.Second)
		defer cancel()
		if err := b.Shutdown(ctx); !errors.Is(err, ctx.Err()) || err == nil {
			t.Errorf("Shutdown: %v, want the context's error", err)
		}
		if b.base.Err() == nil {
			t.Error("calls to the cloud are not reported")
		}
		close(hold)
		stop(t, b, cloud)
	})
}
