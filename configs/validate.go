package configs

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Bounds of keys, as muster.yaml documents them.
const (
	minKeepalive    = 10 * time.Second
	maxKeepalive    = 12 * time.Hour // MQTT's limit of 65,535 s, less the half that is granted on top
	maxPending      = 1024           // the places of all addresses together
	minHTTP         = 16
	minToken        = 16 // bytes
	maxAttempts     = 100
	minRate         = Rate(1e3)
	minCache        = Size(1 << 20)
	minSessionAge   = time.Second
	maxTeamMessages = 1_000_000 // per second
	maxDrain        = time.Hour
	maxAckReplicas  = 5

	minRetention = time.Hour
	minMessages  = Size(1 << 20)
)

// Validate returns every reason why c can't be served, joined: a sentence each, with the
// keys. It returns nil when there is none.
func (c *Config) Validate() error {
	var v verdict
	c.validateListeners(&v)
	c.validateStore(&v)
	c.validateNode(&v)
	c.validateImages(&v)
	c.validateMail(&v)
	c.validateUpdates(&v)
	c.validateRetention(&v)
	v.require(c.Log.Format == "text" || c.Log.Format == "json",
		"log.format is %.40q: use text or json", c.Log.Format)
	return errors.Join(v...)
}

type verdict []error

func (v *verdict) require(ok bool, format string, args ...any) {
	if !ok {
		*v = append(*v, fmt.Errorf(format, args...))
	}
}

func (c *Config) validateListeners(v *verdict) {
	listeners := []struct{ key, addr string }{
		{"mqtt.addr", c.MQTT.Addr},
		{"mqtts.addr", c.MQTTS.Addr},
		{"http.addr", c.HTTP.Addr},
		{"metrics.addr", c.Metrics.Addr},
	}
	taken := map[string]string{}
	for _, l := range listeners {
		if l.addr == "" {
			continue
		}
		port, ok := portOf(l.addr)
		v.require(ok, "%s is %.80q: use HOST:PORT, with a port from 0 to 65535", l.key, l.addr)
		if other, twice := taken[l.addr]; twice && port != 0 {
			v.require(false, "%s and %s are both %q: give each its own port", other, l.key, l.addr)
		}
		taken[l.addr] = l.key
	}
	delete(taken, c.Metrics.Addr)
	v.require(len(taken) > 0, "mqtt.addr, mqtts.addr and http.addr are all empty: there is nothing to serve")

	v.require(c.MQTT.MaxConnections >= 1, "mqtt.max_connections is %d: use 1 or more", c.MQTT.MaxConnections)
	v.require(c.MQTT.MaxPendingPerAddress >= 1 && c.MQTT.MaxPendingPerAddress <= maxPending,
		"mqtt.max_pending_per_address is %d: use 1 to %d", c.MQTT.MaxPendingPerAddress, maxPending)
	v.require(c.MQTT.MaxKeepalive >= minKeepalive && c.MQTT.MaxKeepalive <= maxKeepalive && c.MQTT.MaxKeepalive%time.Second == 0,
		"mqtt.max_keepalive is %s: use whole seconds from %s to %s", c.MQTT.MaxKeepalive, minKeepalive, maxKeepalive)

	v.require(c.Metrics.Token == "" || len(c.Metrics.Token) >= minToken, "metrics.token has %d bytes: use %d or more", len(c.Metrics.Token), minToken)
	h := c.HTTP
	v.require(h.PublicURL == "" || publicURL(h.PublicURL), "http.public_url is %.80q: use https://HOST or http://HOST, with a port if need be", h.PublicURL)
	v.require(h.MaxConnections >= minHTTP, "http.max_connections is %d: use %d or more", h.MaxConnections, minHTTP)
	v.require(h.MaxConnectionsPerAddress >= 1, "http.max_connections_per_address is %d: use 1 or more", h.MaxConnectionsPerAddress)

	v.require(c.MQTT.TeamMessages <= maxTeamMessages, "mqtt.team_messages is %d: use %d or less, or 0 for no limit", c.MQTT.TeamMessages, maxTeamMessages)
	v.require(c.MQTTS.Addr == "" || len(c.MQTTS.TLSCert) > 0 && len(c.MQTTS.TLSKey) > 0,
		"mqtts.addr is set: set mqtts.tls_cert and mqtts.tls_key too")
	v.require(c.MQTTS.Addr != "" || len(c.MQTTS.TLSCert) == 0 && len(c.MQTTS.TLSKey) == 0,
		"mqtts.tls_cert or mqtts.tls_key is set without mqtts.addr: set that too, usually to :8883")
	v.require(c.HTTP.Addr != "" || len(c.HTTP.TLSCert) == 0 && len(c.HTTP.TLSKey) == 0,
		"http.tls_cert or http.tls_key is set without http.addr: set that too, usually to :443")
	for _, l := range []struct {
		name        string
		certs, keys int
	}{{"mqtts", len(c.MQTTS.TLSCert), len(c.MQTTS.TLSKey)}, {"http", len(c.HTTP.TLSCert), len(c.HTTP.TLSKey)}} {
		v.require(l.certs == l.keys || l.name == "mqtts" && min(l.certs, l.keys) == 0,
			"%s.tls_cert names %d files and %s.tls_key %d: name one key for each certificate, in the same order", l.name, l.certs, l.name, l.keys)
	}
}

func (c *Config) validateStore(v *verdict) {
	v.require(c.Data != "" || c.Redis.Ephemeral, "data is empty: name a folder for firmware images")
	v.require(!c.Node.Join || c.Redis.URL != "", "node.join (--join) is set without redis.url: name the Redis that the servers share with redis.url (--redis)")
	v.require(c.Redis.URL == "" || !c.Redis.Ephemeral, "redis.url and redis.ephemeral are both set: choose one")
	v.require(c.Redis.AckReplicas >= 0 && c.Redis.AckReplicas <= maxAckReplicas, "redis.ack_replicas is %d: use 0 to %d", c.Redis.AckReplicas, maxAckReplicas)
	v.require(c.Redis.AckReplicas == 0 || c.Redis.URL != "", "redis.ack_replicas is set without redis.url: the Redis that Muster starts has no replicas; name yours with redis.url (--redis), or leave redis.ack_replicas (--ack-replicas) out")
	if severalAddresses(c.Redis.URL.Reveal()) {
		v.require(false, "redis.url has several hosts: for a Cluster use redis://HOST:PORT?addr=HOST2:PORT2&addr=..., "+
			"for Sentinels redis://HOST:PORT?master_name=NAME&addr=HOST2:PORT2")
		return
	}
	v.require(c.Redis.URL == "" || redisURL(c.Redis.URL.Reveal()),
		"redis.url is not one: use redis://HOST:PORT, rediss://HOST:PORT or unix:///PATH")
}

func (c *Config) validateNode(v *verdict) {
	n := c.Node
	known := n.Role == RoleAll || n.Role == RoleDevices || n.Role == RoleOperators
	v.require(known, "node.role is %.40q: use all, devices or operators", n.Role)
	v.require(!known || n.Role == RoleAll || n.Join,
		"node.role (--role) is %s without node.join: a server that is alone does everything; set node.join (--join) too, or leave node.role out", n.Role)
	if n.Role == RoleOperators {
		v.require(c.MQTT.Addr == "" && c.MQTTS.Addr == "",
			`node.role (--role) is operators, and mqtt.addr or mqtts.addr is set: such a server takes no devices; set both to "", or node.role to all`)
		v.require(c.HTTP.Addr != "", "node.role (--role) is operators, and http.addr is empty: there is nothing to serve")
	}
	v.require(n.Drain <= maxDrain, "node.drain is %s: use %s or less, or 0 to end all connections at once", n.Drain, maxDrain)
}

func (c *Config) validateUpdates(v *verdict) {
	o := c.OTA
	v.require(o.MaxUpdates >= 1, "ota.max_updates is %d: use 1 or more", o.MaxUpdates)
	v.require(o.GatewayUpdates >= 1, "ota.gateway_updates is %d: use 1 or more", o.GatewayUpdates)
	v.require(o.Rate == 0 || o.Rate >= minRate, "ota.rate is %s: use %s or more, or 0 for no limit", o.Rate, minRate)
	v.require(o.Cache >= minCache, "ota.cache is %s: use %s or more", o.Cache, minCache)
	v.require(o.MaxImage >= 1, "ota.max_image is %s: no firmware could be uploaded", o.MaxImage)
	v.require(o.Attempts >= 1 && o.Attempts <= maxAttempts, "ota.attempts is %d: use 1 to %d", o.Attempts, maxAttempts)
	v.require(len(o.CoolDown) > 0, "ota.cool_down is empty: name at least one time")
	for i := 1; i < len(o.CoolDown); i++ {
		v.require(o.CoolDown[i] >= o.CoolDown[i-1], "ota.cool_down shrinks from %s to %s: let it grow", o.CoolDown[i-1], o.CoolDown[i])
	}
	v.require(o.MaxSessionAge >= minSessionAge, "ota.max_session_age is %s: use %s or more", o.MaxSessionAge, minSessionAge)
}

func (c *Config) validateRetention(v *verdict) {
	r := c.Retention
	for _, age := range []struct {
		key string
		age time.Duration
	}{{"age", r.Age}, {"audit_age", r.AuditAge}, {"sign_in_age", r.SignInAge}} {
		v.require(age.age >= minRetention, "retention.%s is %s: use %s or more", age.key, age.age, minRetention)
	}
	v.require(r.Messages >= minMessages, "retention.messages is %s: use %s or more", r.Messages, minMessages)
	v.require(r.DeviceFloor >= 1 && r.DeviceFloor <= r.DeviceMessages && r.DeviceMessages <= r.Messages,
		"retention.device_floor, retention.device_messages and retention.messages are %s, %s and %s: each is at most the next, and none is 0", r.DeviceFloor, r.DeviceMessages, r.Messages)
	v.require(r.DeviceAlerts >= 1 && r.DeviceAlerts <= r.Alerts,
		"retention.device_alerts and retention.alerts are %d and %d: use 1 or more, and at least as many for the team", r.DeviceAlerts, r.Alerts)
	v.require(r.Audit >= 1 && r.SignIns >= 1, "retention.audit and retention.sign_ins are %d and %d: use 1 or more", r.Audit, r.SignIns)
}

func portOf(addr string) (uint64, bool) {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseUint(port, 10, 16)
	return n, err == nil
}

func publicURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Hostname() != "" && u.User == nil &&
		strings.Trim(u.Path, "/") == "" && u.RawQuery == "" && u.Fragment == ""
}

func redisURL(s string) bool {
	u, err := url.Parse(s)
	if err != nil {
		return false
	}
	switch u.Scheme {
	case "redis", "rediss":
		return u.Host != ""
	case "unix":
		return u.Path != ""
	}
	return false
}

// severalAddresses reports whether a Redis URL has several hosts in one place, as some clients
// take for a Cluster. A password may have a comma.
func severalAddresses(url string) bool {
	scheme, rest, _ := strings.Cut(url, "://")
	if scheme != "redis" && scheme != "rediss" {
		return false
	}
	authority, _, _ := strings.Cut(rest, "?")
	host, _, _ := strings.Cut(authority[strings.LastIndex(authority, "@")+1:], "/")
	return strings.Contains(host, ",")
}
