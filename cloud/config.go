package cloud

import (
	"crypto/x509"
	"log/slog"
	"net"

	"github.com/muster-iot/muster/configs"
)

// Config is what one server runs with.
type Config struct {
	// The operator's settings, valid as configs.Load or configs.Default returns them.
	configs.Config

	Version string       // of the program, for GET /v1/version
	Logger  *slog.Logger // nil logs nothing

	// HashMemory is what hashing one password takes, in KiB; 0 is the default of accounts.
	HashMemory uint32

	// MailRoots are the authorities that the mail server's certificate is checked against; nil: the system's.
	MailRoots *x509.CertPool

	// How often one device may connect, as in broker.Config; 0 is the protocol's limit.
	ConnectBurst, RivalBurst int

	// ReportPassword is called once, on an empty store without Owner.Password, with the
	// password that was generated for the first user; nil loses it.
	ReportPassword func(email, password string)
}

// Addresses are where a running server listens; "" where it does not.
type Addresses struct {
	MQTT      string `json:"mqtt,omitempty"`
	MQTTS     string `json:"mqtts,omitempty"`
	HTTP      string `json:"http"`
	Metrics   string `json:"metrics,omitempty"` // where only /metrics is served
	WebSocket string `json:"websocket"`         // URL of MQTT over WebSocket

	secure bool // HTTP has TLS
}

// scheme is that of a URL for HTTP or, with "ws", for WebSocket.
func (a Addresses) scheme(plain string) string {
	if a.secure {
		plain += "s"
	}
	return plain + "://"
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
	return a.scheme("http") + net.JoinHostPort(host, port) + "/"
}
