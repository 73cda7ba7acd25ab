package simulator

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"

	"github.com/coder/websocket"
)

// dialWeb opens a WebSocket that carries MQTT (docs/protocol.md#connection). The
// connection ends with its Close, not with ctx.
func (b Broker) dialWeb(ctx context.Context, dialer *net.Dialer) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	transport := &http.Transport{DialContext: dialer.DialContext, TLSClientConfig: b.TLS, DisableKeepAlives: true}
	ws, response, err := websocket.Dial(ctx, b.Scheme+"://"+b.Host+b.Path, &websocket.DialOptions{
		HTTPClient: &http.Client{Transport: transport}, Subprotocols: []string{"mqtt"},
	})
	if err != nil {
		if response != nil && response.Body != nil {
			_ = response.Body.Close()
		}
		return nil, err
	}
	if ws.Subprotocol() != "mqtt" {
		_ = ws.CloseNow()
		return nil, fmt.Errorf("the server at %s does not speak the subprotocol mqtt", b.Host)
	}
	ws.SetReadLimit(maxIncoming)
	return bridge(websocket.NetConn(context.Background(), ws, websocket.MessageBinary)), nil
}

// bridge puts a pipe before web, which closes for good when a deadline passes. Two
// goroutines copy; they end when either side is closed.
func bridge(web net.Conn) net.Conn {
	near, far := net.Pipe()
	carry := func(to, from net.Conn) {
		_, _ = io.Copy(to, from)
		_ = to.Close()
		_ = from.Close()
	}
	go carry(far, web)
	go carry(web, far)
	return near
}
