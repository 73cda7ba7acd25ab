package cloud

import (
	"log/slog"
	"net"
	"time"
)

const defaultSessionAge = 24 * time.Hour

// Config is what an operator decides about one server. The zero value of a number or a
// duration means the default that configs/muster.yaml states.
type Config struct {
	MQTT  string // address of plain MQTT, "" for none; port 0 picks a free one
	MQTTS string // address of MQTT over TLS, "" for none
	HTTP  string // address of REST and WebSocket

	TLSCert, TLSKey string // PEM files, with MQTTS

	Data      string // directory of images and, without Redis, of the store; not used with Ephemeral
	Redis     string // URL of a Redis to use instead of an own one
	Ephemeral bool   // keep the fleet in memory: gone at exit
	ReadyFile string // written as JSON once everything listens, removed at the end; "" for none

	OwnerEmail, OwnerPassword string // of the first team, made on an empty store

	// TellPassword is called once, where OwnerPassword was empty and one was made.
	TellPassword func(email, password string)

	MaxConnections int
	MaxKeepAlive   time.Duration
	MaxSessionAge  time.Duration // an older session is asked for a new Hello

	MaxUpdates     int             // devices that download at the same time
	GatewayUpdates int             // of them, BLE devices behind one gateway
	Rate           int64           // bytes per second of all downloads together; 0: no limit
	ChunkCache     int64           // bytes of encoded chunks kept in memory
	MaxImage       int64           // bytes of one firmware image
	MaxAttempts    int             // tries at one target before it is exhausted
	CoolDown       []time.Duration // pause after the first, second ... failed attempt

	Version string // of the program, for GET /v1/version
	Log     *slog.Logger
}

// Addresses are where a running server listens; "" where it does not.
type Addresses struct {
	MQTT      string `json:"mqtt,omitempty"`
	MQTTS     string `json:"mqtts,omitempty"`
	HTTP      string `json:"http"`
	WebSocket string `json:"websocket"` // URL of MQTT over WebSocket
}

// console is the URL of the console, for a browser on this machine; "" without HTTP.
func (a Addresses) console() string {
	host, port, err := net.SplitHostPort(a.HTTP)
	if err != nil {
		return ""
	}
	if ip := net.ParseIP(host); ip == nil || ip.IsUnspecified() {
		host = "localhost"
	}
	return "http://" + net.JoinHostPort(host, port) + "/"
}
