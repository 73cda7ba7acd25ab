package configs

import (
	_ "embed"
	"log/slog"
	"strings"
	"time"
)

//go:embed muster.yaml
var file string

// File is muster.yaml as it ships: every key, commented, with its default.
func File() string { return file }

// Config is every setting of the server, valid as Load returns it. muster.yaml says what
// each means.
type Config struct {
	Data      string // folder
	ReadyFile string // "" for none
	MQTT      MQTT
	MQTTS     MQTTS
	HTTP      HTTP
	Redis     Redis
	Owner     Owner
	OTA       OTA
	Log       Log
}

// MQTT is the broker's part. Limits hold for connections of every kind.
type MQTT struct {
	Addr           string // host:port, "" for off
	MaxConnections int
	MaxKeepalive   time.Duration // whole seconds
}

// MQTTS is the listener for MQTT over TLS.
type MQTTS struct {
	Addr    string // host:port, "" for off
	TLSCert string // PEM file
	TLSKey  string // PEM file
}

// HTTP is the listener for REST, WebSocket and metrics.
type HTTP struct {
	Addr string // host:port, "" for off
}

// Redis says where the fleet is kept. With neither set, it is a redis-server of Muster's
// own in Config.Data.
type Redis struct {
	URL       Secret // may hold a password
	Ephemeral bool
}

// Owner is the first user of an empty store.
type Owner struct {
	Email    string
	Password Secret // "" to have one made
}

// OTA is the part of firmware updates.
type OTA struct {
	MaxUpdates     int
	GatewayUpdates int  // of them, those behind one gateway
	Rate           Rate // 0 for no limit
	Cache          Size
	MaxImage       Size
	Attempts       int
	CoolDown       []time.Duration // after the first failed attempt, the second ...; the last repeats
	MaxSessionAge  time.Duration
}

// Log is how the server logs.
type Log struct {
	Level  slog.Level
	Format string // "text" or "json"
}

// Default is what muster.yaml says as it ships.
func Default() Config {
	var c Config
	if err := c.read("muster.yaml", []byte(file)); err != nil {
		panic(err)
	}
	return c
}

// String is every key with its value, a line each, secrets hidden.
func (c Config) String() string {
	var b strings.Builder
	for _, k := range c.keys() {
		b.WriteString(k.name + ": " + k.value.String() + "\n")
	}
	return b.String()
}
