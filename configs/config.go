package configs

import (
	_ "embed"
	"log/slog"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

//go:embed muster.yaml
var file string

// File returns muster.yaml as it ships: every key, commented, with its default.
func File() string { return file }

// Config is every setting of the server, valid as Load or Default returns it. muster.yaml
// describes each.
type Config struct {
	Data      string // folder
	ReadyFile string // "" for none
	MQTT      MQTT
	MQTTS     MQTTS
	HTTP      HTTP
	Metrics   Metrics
	Redis     Redis
	Images    Images
	Node      Node
	Owner     Owner
	Mail      Mail
	Notify    Notify
	OTA       OTA
	Quota     Quota
	Retention Retention
	Log       Log
}

// MQTT configures the broker. The limits hold for connections of every kind.
type MQTT struct {
	Addr                 string // host:port, "" for off
	MaxConnections       int
	MaxPendingPerAddress int           // not admitted yet, of one IPv4 address or IPv6 /64
	MaxKeepalive         time.Duration // whole seconds
	ProxyFrom            []netip.Prefix
	TeamMessages         int // per second, of all devices of a team; 0 for no limit
}

// MQTTS is the listener for MQTT over TLS.
type MQTTS struct {
	Addr    string   // host:port, "" for off
	TLSCert []string // PEM files
	TLSKey  []string // PEM files, as many as TLSCert, in its order
}

// HTTP is the listener for REST, WebSocket and metrics.
type HTTP struct {
	Addr                     string   // host:port, "" for off
	TLSCert                  []string // PEM files; without any, plain HTTP
	TLSKey                   []string // PEM files, as many as TLSCert, in its order
	PublicURL                string   // by which clients reach the server; "" for any
	MaxConnections           int      // WebSockets do not count
	MaxConnectionsPerAddress int
	TrustedProxies           []netip.Prefix
}

// Metrics is who may read /metrics: without a field set, this machine.
type Metrics struct {
	Addr  string // host:port of a listener of its own, "" for that of HTTP
	Token Secret // that a reader must send; "" for none
}

// Host is the host of PublicURL without its port, "" if that is not set.
func (h HTTP) Host() string {
	u, err := url.Parse(h.PublicURL)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

// Redis is where the fleet is stored: with neither field set, in a redis-server that Muster
// starts, in Config.Data.
type Redis struct {
	URL         Secret // may hold a password
	Ephemeral   bool
	AckReplicas int // replicas of each master that must have a write before it is acknowledged
}

// Node is this server among those that use the same Redis.
type Node struct {
	Join  bool          // other servers that have joined may use it, too
	Role  string        // RoleAll, RoleDevices or RoleOperators
	Drain time.Duration // how long a stop takes to move the devices to the others; 0: they are all ended at once
}

// Roles of servers that share a Redis.
const (
	RoleAll       = "all"
	RoleDevices   = "devices"   // MQTT only
	RoleOperators = "operators" // REST API and console, and the work that runs once
)

// TakesDevices reports whether devices connect to the server.
func (n Node) TakesDevices() bool { return n.Role != RoleOperators }

// ServesOperators reports whether the server has the REST API and the console, and does what runs once.
func (n Node) ServesOperators() bool { return n.Role != RoleDevices }

// Owner is the first user of an empty store.
type Owner struct {
	Email    string
	Password Secret // "" generates one
}

// Mail is the SMTP server that sends notifications and invitations.
type Mail struct {
	Server   string // host:port; "" for none
	Security string // "starttls", "tls" or "none"
	User     string // "" without authentication
	Password Secret
	From     string // address, or NAME <ADDRESS>
}

// Notify is what webhooks may reach.
type Notify struct {
	Allow []netip.Prefix // networks that are not of the internet
}

// OTA configures firmware updates.
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

// Quota is what one team may have of what all share; 0 sets no limit of its own. Of what is in use at
// a moment, each team has its share in any case.
type Quota struct {
	Devices     int
	Images      Size // all of a team
	Connections int
	Updates     int // that transfer at a time
	Streams     int // of events, with open pages of the console
	UserStreams int // of these, of one user
	Uploads     int // at a time
}

// Retention is how much of what grows is kept per team, and how much one device or user may
// have of it; the sizes are at least the floors.
type Retention struct {
	Age            time.Duration // of messages, alerts and past updates
	Messages       Size
	DeviceMessages Size
	DeviceFloor    Size // of messages, which nobody else can push out
	Alerts         int
	DeviceAlerts   int
	AuditAge       time.Duration
	Audit          int // entries
	SignInAge      time.Duration
	SignIns        int // entries of the audit log about sign-ins and tokens
}

// Log configures the log.
type Log struct {
	Level  slog.Level
	Format string // "text" or "json"
}

// Default returns the settings of muster.yaml as it ships.
func Default() Config {
	var c Config
	if err := c.read("muster.yaml", []byte(file)); err != nil {
		panic(err)
	}
	return c
}

// String returns every key with its value, one per line, with secrets hidden.
func (c Config) String() string {
	var b strings.Builder
	for _, k := range c.keys() {
		b.WriteString(k.name + ": " + k.value.String() + "\n")
	}
	return b.String()
}
