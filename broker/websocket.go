package broker

import (
	"bufio"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"github.com/muster-iot/muster/broker/chunkio"
	"github.com/muster-iot/muster/wire"
	"github.com/muster-iot/muster/wire/mqtt"
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
		Subprotocols:     []string{mqtt.Subprotocol},
		CheckOrigin:      func(*http.Request) bool { return true }, // the proof is in CONNECT, not in a cookie
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !offersMQTT(r) {
			http.Error(w, `offer the WebSocket subprotocol "mqtt"`, http.StatusBadRequest)
			return
		}
		b.mu.Lock()
		closed := b.closed()
		b.mu.Unlock()
		if closed {
			w.Header().Set("Retry-After", "5")
			http.Error(w, "this server is being stopped: connect to another one", http.StatusServiceUnavailable)
			return
		}
		from := r.RemoteAddr
		if host, _, err := net.SplitHostPort(from); err == nil {
			from = host
		}
		p := &place{address: from}
		v := b.places.take(p)
		if v.lost.conn != nil {
			b.crowdedOut(v.lost)
		}
		if !v.taken {
			w.Header().Set("Retry-After", "5")
			http.Error(w, "too many connections are being made, try again", http.StatusServiceUnavailable)
			return
		}
		h := &hijacker{ResponseWriter: w, timeout: b.cfg.WriteTimeout}
		ws, err := upgrader.Upgrade(h, r, nil)
		if err != nil {
			b.places.leave(p)
			return // Upgrade has answered
		}
		ws.SetReadLimit(maxFrame)
		b.places.attach(p, h.conn)
		b.serve(mqtt.NewStream(h.conn, ws), h.conn, p)
	})
}

func offersMQTT(r *http.Request) bool {
	for _, protocol := range websocket.Subprotocols(r) {
		if protocol == mqtt.Subprotocol {
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
