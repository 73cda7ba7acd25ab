package mqtt

import (
	"errors"
	"io"
	"net"
	"time"

	"github.com/gorilla/websocket"
)

// Subprotocol is what a WebSocket that carries MQTT agrees on (MQTT 5 §6.0).
const Subprotocol = "mqtt"

// closeTimeout bounds the write of a closing frame.
const closeTimeout = 250 * time.Millisecond

// Stream is a WebSocket as a stream: packets may span messages and share them (MQTT 5
// §6.0). One goroutine reads and one writes.
type Stream struct {
	net.Conn // closing, deadlines and addresses
	ws       *websocket.Conn
	message  io.Reader // the rest of the message being read; nil: none
}

// NewStream returns the stream of ws, which runs over conn.
func NewStream(conn net.Conn, ws *websocket.Conn) *Stream { return &Stream{Conn: conn, ws: ws} }

var errText = errors.New("a WebSocket message that is not binary")

// Read implements net.Conn.
func (s *Stream) Read(p []byte) (int, error) {
	for {
		if s.message == nil {
			kind, message, err := s.ws.NextReader()
			if err != nil {
				return 0, err
			}
			if kind != websocket.BinaryMessage {
				return 0, errText
			}
			s.message = message
		}
		n, err := s.message.Read(p)
		if errors.Is(err, io.EOF) {
			s.message, err = nil, nil
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}

// Write implements net.Conn. It sends p as one message.
func (s *Stream) Write(p []byte) (int, error) {
	if err := s.ws.WriteMessage(websocket.BinaryMessage, p); err != nil {
		return 0, err
	}
	return len(p), nil
}

// CloseWrite begins the closing handshake, so that the other side reads what came before.
func (s *Stream) CloseWrite() error {
	goodbye := websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")
	return s.ws.WriteControl(websocket.CloseMessage, goodbye, time.Now().Add(closeTimeout))
}
