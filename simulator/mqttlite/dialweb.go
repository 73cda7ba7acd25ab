package mqttlite

import (
	"context"
	"fmt"
	"io"
	"net"

	"github.com/gorilla/websocket"

	"github.com/muster-iot/muster/wire/mqtt"
)

// dialWeb opens a WebSocket that carries MQTT (docs/protocol.md#connection). The
// connection ends with its Close, not with ctx.
func (b Broker) dialWeb(ctx context.Context, dialer *net.Dialer) (net.Conn, error) {
	web := websocket.Dialer{
		NetDialContext: dialer.DialContext, TLSClientConfig: b.TLS,
		HandshakeTimeout: dialTimeout, Subprotocols: []string{mqtt.Subprotocol},
	}
	ws, response, err := web.DialContext(ctx, b.Scheme+"://"+b.Host+b.Path, nil)
	if err != nil {
		if response != nil {
			return nil, fmt.Errorf("%w: %s", err, response.Status)
		}
		return nil, err
	}
	if ws.Subprotocol() != mqtt.Subprotocol {
		_ = ws.Close()
		return nil, fmt.Errorf("the server at %s does not support the subprotocol mqtt", b.Host)
	}
	ws.SetReadLimit(maxIncoming)
	return bridge(mqtt.NewStream(ws.NetConn(), ws)), nil
}

// bridge puts a pipe before web, which is unusable once a read deadline has passed. Two
// goroutines copy; they end when either side is closed.
func bridge(web *mqtt.Stream) net.Conn {
	near, far := net.Pipe()
	carry := func(to, from net.Conn) {
		_, _ = io.Copy(to, from)
		_ = web.CloseWrite()
		_ = to.Close()
		_ = from.Close()
	}
	go carry(far, web)
	go carry(web, far)
	return near
}
