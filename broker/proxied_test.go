package broker

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/muster-iot/muster/proxy"
	"github.com/muster-iot/muster/wire/mqtt"
)

// loopback makes every connection of a test come from a proxy.
var loopback = proxy.Networks{netip.MustParsePrefix("127.0.0.0/8")}

// header is a proxy's for a connection of client.
func header(client string) string { return "PROXY TCP4 " + client + " 192.0.2.1 40000 1883\r\n" }

// dialProxied opens a connection that begins with text.
func dialProxied(t *testing.T, addr net.Addr, text string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", addr.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	return conn
}

func TestTheProxyHeaderNamesTheDevicesAddress(t *testing.T) {
	const v2 = "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xc6\x33\x64\x07\xc0\x00\x02\x01\x9c\x40\x07\x5b"
	const health = "\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00"
	for _, row := range []struct{ name, header, want string }{
		{"version 1", header("198.51.100.7"), "198.51.100.7"},
		{"version 2", v2, "198.51.100.7"},
		{"the proxy's own connection", health, "127.0.0.1"},
	} {
		for _, secure := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, TLS %t", row.name, secure), func(t *testing.T) {
				cloud := newCloud()
				b := start(t, Config{ProxyFrom: loopback}, cloud)
				listen := b.ListenTCP
				if secure {
					listen = func(addr string) (net.Addr, error) { return b.ListenTLS(addr, selfSigned(t)) }
				}
				addr, err := listen("127.0.0.1:0")
				if err != nil {
					t.Fatal(err)
				}
				conn := dialProxied(t, addr, row.header)
				if secure {
					conn = tls.Client(conn, anyCertificate)
				}
				c := newClient(t, conn, mqtt.V311).join("d1")
				if got := (<-cloud.came).connect.Address; got != row.want {
					t.Errorf("address %s, want %s", got, row.want)
				}
				c.ping()
			})
		}
	}
}

func TestOnlyProxiesMaySendAProxyHeader(t *testing.T) {
	cloud := newCloud()
	_, addr := listening(t, Config{}, cloud)
	connect := string(connectPacket(mqtt.V311, hello{id: "d1", user: "d1", password: "proof"}))
	if answer, err := io.ReadAll(dialProxied(t, addr, header("198.51.100.7")+connect)); len(answer) > 0 || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a stranger's header: got % x, %v, want the end", answer, err)
	}
}

func TestAProxyMustSendAHeader(t *testing.T) {
	cloud := newCloud()
	_, addr := listening(t, Config{ProxyFrom: loopback}, cloud)
	connect := string(connectPacket(mqtt.V311, hello{id: "d1", user: "d1", password: "proof"}))
	if answer, err := io.ReadAll(dialProxied(t, addr, connect)); len(answer) > 0 || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got % x, %v, want the end", answer, err)
	}
	if len(cloud.came) > 0 {
		t.Error("a connection without a header was admitted")
	}
}

// Behind a proxy each client has places of its own, too.
func TestSilentClientsBehindAProxyKeepNoOthersOut(t *testing.T) {
	b, addr := listening(t, Config{ProxyFrom: loopback, MaxPending: 64, MaxPendingPer: 8, FirstByteTimeout: time.Minute}, newCloud())
	for range 200 {
		dialProxied(t, addr, header("198.51.100.66"))
	}
	for i := range 20 {
		newClient(t, dialProxied(t, addr, header("198.51.100.7")), mqtt.V311).join(fmt.Sprintf("d%d", i))
	}
	b.places.mu.Lock()
	defer b.places.mu.Unlock()
	if n := b.places.per["198.51.100.66"]; n == 0 || n > 8 {
		t.Errorf("the silent client holds %d places, want 1 to 8", n)
	}
}
