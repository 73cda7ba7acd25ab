package edge

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/muster-iot/muster/proxy"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var proxies = proxy.Networks{netip.MustParsePrefix("10.0.0.0/8")}

// config is that of a server for few connections.
func config() Config {
	return Config{
		MaxConnections: 8, MaxPerAddress: 3, Proxies: proxies, Log: slog.New(slog.DiscardHandler),
		Refuse: func(w http.ResponseWriter, _ *http.Request, status int, text string) { http.Error(w, text, status) },
	}
}

// wire is a listener for connections made in this process, so that time can be a test's.
type wire struct {
	conns chan net.Conn
	close func()
}

func newWire() wire {
	conns := make(chan net.Conn)
	return wire{conns, sync.OnceFunc(func() { close(conns) })}
}

func (l wire) Accept() (net.Conn, error) {
	conn, ok := <-l.conns
	if !ok {
		return nil, net.ErrClosed
	}
	return conn, nil
}

func (l wire) Close() error   { l.close(); return nil }
func (l wire) Addr() net.Addr { return &net.TCPAddr{} }

// from is a connection from an address.
type from struct {
	net.Conn
	address string
}

func (f from) RemoteAddr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(f.address))
}

// serve serves next and returns how to connect.
func serve(t *testing.T, config Config, next http.HandlerFunc) (dial func(address string) net.Conn) {
	t.Helper()
	l, server := newWire(), NewServer(config, next)
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close(); <-done; <-time.After(time.Second) }) // net/http lingers
	return func(address string) net.Conn {
		near, far := net.Pipe()
		l.conns <- from{far, address}
		t.Cleanup(func() { _ = near.Close() })
		return near
	}
}

// send writes text to a connection whose server may read it later.
func send(t *testing.T, conn net.Conn, text string) {
	t.Helper()
	go func() { _, _ = io.WriteString(conn, text) }() // the server may close it
	synctest.Wait()
}

// status reads one answer.
func status(t *testing.T, conn net.Conn) (code int, closes bool) {
	t.Helper()
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return 0, true
	}
	_, _ = io.Copy(io.Discard, answer.Body)
	return answer.StatusCode, answer.Close
}

// ends is how long it takes until the server closes conn.
func ends(conn net.Conn) time.Duration {
	begun := time.Now()
	_, _ = io.Copy(io.Discard, conn)
	return time.Since(begun)
}

const get = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"

func hello(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }

// reading is a handler that answers when it has read the body, or could not.
func reading(w http.ResponseWriter, r *http.Request) {
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		http.Error(w, "the body ended early", http.StatusBadRequest)
	}
}

func TestNoConnectionStaysForNothing(t *testing.T) {
	for _, row := range []struct {
		name, sent string
		handler    http.HandlerFunc
		ends       time.Duration
	}{
		{"silent", "", hello, headerTimeout},
		{"half a header", "GET / HTTP/1.1\r\nHost:", hello, headerTimeout},
		{"half a body", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf", reading, bodyTimeout},
		{"half a chunked body", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nha", reading, bodyTimeout},
		{"half a body that no handler reads", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf", hello, closeTimeout},
		{"idle after a request", get, hello, idleTimeout},
		{"idle after a body", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody", reading, idleTimeout},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				conn := serve(t, config(), row.handler)("192.0.2.1:1")
				send(t, conn, row.sent)
				if took := ends(conn); took < row.ends || took > row.ends+time.Second {
					t.Errorf("it ended after %s, want %s", took, row.ends)
				}
			})
		})
	}
}

func TestAHandlerMayTakeItsTimeAfterTheBody(t *testing.T) {
	for name, request := range map[string]string{
		"without a body": get,
		"with a body":    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody",
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				conn := serve(t, config(), func(w http.ResponseWriter, r *http.Request) {
					_, _ = io.Copy(io.Discard, r.Body)
					select {
					case <-time.After(time.Hour): // a stream
					case <-r.Context().Done():
						w.WriteHeader(http.StatusGatewayTimeout)
					}
				})("192.0.2.1:1")
				send(t, conn, request)
				if code, _ := status(t, conn); code != http.StatusOK {
					t.Errorf("got %d, want 200: a deadline ended the request", code)
				}
			})
		})
	}
}

func TestAClientThatReadsNothingIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun, failed := time.Now(), time.Duration(0)
		conn := serve(t, config(), func(w http.ResponseWriter, _ *http.Request) {
			for {
				if _, err := w.Write(make([]byte, 64<<10)); err != nil {
					failed = time.Since(begun)
					return
				}
			}
		})("192.0.2.1:1")
		send(t, conn, get)
		time.Sleep(2 * writeTimeout) //nolint:forbidigo // in a bubble
		synctest.Wait()
		if failed != writeTimeout {
			t.Errorf("the write failed after %s, want %s", failed, writeTimeout)
		}
	})
}

func TestAnErrorBeforeTheEndOfABodyEndsTheConnection(t *testing.T) {
	refusing := func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusUnauthorized) }
	for _, row := range []struct {
		name, request string
		handler       http.HandlerFunc
		closes        bool
	}{
		{"a long body unread", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n", refusing, true},
		{"a chunked body unread", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", refusing, true},
		{"a body that fails", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n", reading, true},
		{"a short body", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody", refusing, false},
		{"a whole body", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", func(w http.ResponseWriter, r *http.Request) {
			reading(w, r)
			w.WriteHeader(http.StatusUnauthorized)
		}, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				conn := serve(t, config(), row.handler)("192.0.2.1:1")
				send(t, conn, row.request)
				if code, closes := status(t, conn); code < 400 || closes != row.closes {
					t.Errorf("got %d, closes %t, want an error and %t", code, closes, row.closes)
				}
			})
		})
	}
}

// An address with more connections than its share loses its own, never another's.
func TestConnectionsAreBoundedPerAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dial := serve(t, config(), func(w http.ResponseWriter, r *http.Request) {
			reading(w, r)
			if r.URL.Path == "/slow" {
				<-r.Context().Done()
			}
		})
		idle := dial("192.0.2.1:1")
		send(t, idle, get)
		if code, _ := status(t, idle); code != http.StatusOK {
			t.Fatalf("got %d", code)
		}
		unfinished := "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf"
		var halves []net.Conn
		for port := range 3 {
			halves = append(halves, dial(fmt.Sprintf("192.0.2.1:%d", 2+port)))
			send(t, halves[port], unfinished)
			synctest.Wait()
		}
		if took := ends(idle); took > time.Second {
			t.Errorf("the idle connection ended after %s, want at once", took)
		}
		for port := range 3 {
			whole := dial(fmt.Sprintf("192.0.2.1:%d", 5+port))
			send(t, whole, "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
			synctest.Wait()
			if took := ends(halves[port]); took > time.Second {
				t.Errorf("the oldest unfinished request ended after %s, want at once", took)
			}
			defer whole.Close()
		}
		if took := ends(dial("192.0.2.1:9")); took > time.Second {
			t.Errorf("with three requests in progress, a fourth connection ended after %s, want at once", took)
		}
		neighbour := dial("192.0.2.2:1")
		send(t, neighbour, get)
		if code, _ := status(t, neighbour); code != http.StatusOK {
			t.Errorf("another address: got %d, want 200", code)
		}
	})
}

// Where all connections are taken, the address with the most makes room.
func TestConnectionsAreBoundedInAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := config()
		c.MaxConnections, c.MaxPerAddress = 4, 3
		dial := serve(t, c, reading)
		unfinished := "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf"
		first := dial("192.0.2.1:1")
		send(t, first, unfinished)
		for port := range 2 {
			send(t, dial(fmt.Sprintf("192.0.2.1:%d", 2+port)), unfinished)
		}
		send(t, dial("192.0.2.2:1"), unfinished)
		third := dial("192.0.2.3:1")
		send(t, third, get)
		if code, _ := status(t, third); code != http.StatusOK {
			t.Errorf("got %d, want 200", code)
		}
		if took := ends(first); took > time.Second {
			t.Errorf("the oldest of the address with the most ended after %s, want at once", took)
		}
	})
}

func TestTheConnectionsOfAProxyAreLimitedByItsClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dial := serve(t, config(), reading)
		request := func(port int, client string) net.Conn {
			conn := dial(fmt.Sprintf("10.0.0.1:%d", port))
			send(t, conn, "POST / HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: "+client+"\r\nContent-Length: 4\r\n\r\n")
			return conn
		}
		for port := range 3 {
			request(1+port, "192.0.2.1")
		}
		if code, _ := status(t, request(5, "192.0.2.1")); code != http.StatusServiceUnavailable {
			t.Errorf("a client's fourth request: got %d, want 503", code)
		}
		other := request(6, "192.0.2.2")
		send(t, other, "body")
		if code, _ := status(t, other); code != http.StatusOK {
			t.Errorf("another client: got %d, want 200", code)
		}
	})
}

func TestConnectionsLeaveNothingBehind(t *testing.T) {
	c := newConnections(config())
	var conns []net.Conn
	for port := range 20 {
		near, far := net.Pipe()
		_ = near.Close()
		conns = append(conns, from{far, fmt.Sprintf("192.0.2.%d:1", port)})
		c.follow(conns[port], http.StateNew)
	}
	if c.all.Len() != 8 {
		t.Errorf("%d connections, want 8", c.all.Len())
	}
	for _, conn := range conns {
		c.follow(conn, http.StateClosed)
	}
	if len(c.open) != 0 || c.all.Len() != 0 || len(c.per) != 0 {
		t.Errorf("left behind: %d, %d, %d", len(c.open), c.all.Len(), len(c.per))
	}
}

func TestHandlersSeeTheClientsAddress(t *testing.T) {
	var got string
	handler := NewServer(config(), http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.RemoteAddr })).Handler
	for peer, want := range map[string]string{"10.0.0.1:5": "198.51.100.7", "192.0.2.1:5": "192.0.2.1:5"} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = peer
		r.Header.Set("X-Forwarded-For", "203.0.113.1, 198.51.100.7")
		handler.ServeHTTP(httptest.NewRecorder(), r)
		if got != want {
			t.Errorf("by way of %s: got %s, want %s", peer, got, want)
		}
	}
}

func TestOtherNamesAreRefused(t *testing.T) {
	c := config()
	c.Host = "muster.example.com"
	handler := NewServer(c, http.HandlerFunc(hello)).Handler
	for _, row := range []struct {
		host, path string
		want       int
	}{
		{"muster.example.com", "/", 200}, {"Muster.Example.com.:8443", "/v1/user", 200},
		{"localhost:8080", "/", 200}, {"192.0.2.1:8080", "/", 200}, {"[::1]:8080", "/", 200}, {"[::1]", "/", 200},
		{"evil.example", "/", 421}, {"evil.example:8080", "/v1/user", 421}, {"muster.example.com.evil.example", "/", 421}, {"", "/", 421},
		{"evil.example", "/healthz", 200},
	} {
		r := httptest.NewRequest(http.MethodGet, row.path, nil)
		r.Host = row.host
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code != row.want {
			t.Errorf("%q: got %d %s, want %d", row.host, w.Code, strings.TrimSpace(w.Body.String()), row.want)
		}
	}
}
