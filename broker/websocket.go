package broker

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"github.com/muster-iot/muster/broker/chunkio"
	"github.com/muster-iot/muster/wire"
)

// WebSocketPath is where MQTT over WebSocket is served by convention.
const WebSocketPath = "/mqtt"

// maxFrame bounds one WebSocket message, in bytes; it may hold several packets.
const maxFrame = 4 * wire.MaxPacket

// WebSocket is the handler of MQTT over WebSocket (MQTT 5 §6), for mounting on another
// HTTP server. It refuses clients that do not offer the subprotocol "mqtt". The request's
// goroutine serves the connection until it ends.
func (b *Broker) WebSocket() http.Handler {
	upgrader := websocket.Upgrader{
		HandshakeTimeout: b.cfg.HandshakeTimeout,
		ReadBufferSize:   512,
		WriteBufferSize:  512,
		WriteBufferPool:  new(sync.Pool),
		Subprotocols:     []string{"mqtt"},
		CheckOrigin:      func(*http.Request) bool { return true }, // the proof is in CONNECT, not in a cookie
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !offersMQTT(r) {
			http.Error(w, `offer the WebSocket subprotocol "mqtt"`, http.StatusBadRequest)
			return
		}
		select {
		case b.slots <- struct{}{}:
		default:
			w.Header().Set("Retry-After", "5")
			http.Error(w, "too many connections are being made, try again", http.StatusServiceUnavailable)
			return
		}
		h := &hijacker{ResponseWriter: w, timeout: b.cfg.WriteTimeout}
		ws, err := upgrader.Upgrade(h, r, nil)
		if err != nil {
			<-b.slots
			return // Upgrade has answered
		}
		ws.SetReadLimit(maxFrame)
		b.serve(&wsConn{Conn: h.conn, ws: ws}, h.conn)
	})
}

func offersMQTT(r *http.Request) bool {
	for _, protocol := range websocket.Subprotocols(r) {
		if protocol == "mqtt" {
			return true
		}
	}
	return false
}

// hijacker puts a chunkio.Conn below the WebSocket.
type hijacker struct {
	http.ResponseWriter
	timeout time.Duration
	conn    *chunkio.Conn
}

func (h *hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffers, err := http.NewResponseController(h.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	h.conn = chunkio.NewConn(conn, h.timeout)
	return h.conn, buffers, nil
}

// wsConn is a WebSocket as a stream: packets may span messages and share them
// (MQTT 5 §6.0).
type wsConn struct {
	net.Conn // closing, deadlines and addresses
	ws       *websocket.Conn
	message  io.Reader // the rest of the message being read; nil: none
}

var errText = errors.New("a WebSocket message that is not binary")

func (c *wsConn) Read(p []byte) (int, error) {
	for {
		if c.message == nil {
			kind, message, err := c.ws.NextReader()
			if err != nil {
				return 0, err
			}
			if kind != websocket.BinaryMessage {
				return 0, errText
			}
			c.message = message
		}
		n, err := c.message.Read(p)
		if errors.Is(err, io.EOF) {
			c.message, err = nil, nil
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}

func (c *wsConn) Write(p []byte) (int, error) {
	if err := c.ws.WriteMessage(websocket.BinaryMessage, p); err != nil {
		return 0, err
	}
	return len(p), nil
}

// CloseWrite begins the closing handshake, so that the client reads what came before.
func (c *wsConn) CloseWrite() error {
	goodbye := websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")
	return c.ws.WriteControl(websocket.CloseMessage, goodbye, time.Now().Add(farewell))
}
