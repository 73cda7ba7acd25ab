package configs

import "strings"

// key is one setting: its name, with a dot between section and key, and its place in a Config.
type key struct {
	name  string
	value value
}

// keys returns the table of all settings; each value points into c.
func (c *Config) keys() []key {
	return []key{
		{"data", text(&c.Data)},
		{"ready_file", text(&c.ReadyFile)},

		{"mqtt.addr", text(&c.MQTT.Addr)},
		{"mqtt.max_connections", count(&c.MQTT.MaxConnections)},
		{"mqtt.max_pending_per_address", count(&c.MQTT.MaxPendingPerAddress)},
		{"mqtt.max_keepalive", duration(&c.MQTT.MaxKeepalive)},
		{"mqtt.proxy_from", networks(&c.MQTT.ProxyFrom)},
		{"mqtt.team_messages", count(&c.MQTT.TeamMessages)},

		{"mqtts.addr", text(&c.MQTTS.Addr)},
		{"mqtts.tls_cert", texts(&c.MQTTS.TLSCert)},
		{"mqtts.tls_key", texts(&c.MQTTS.TLSKey)},

		{"http.addr", text(&c.HTTP.Addr)},
		{"http.tls_cert", texts(&c.HTTP.TLSCert)},
		{"http.tls_key", texts(&c.HTTP.TLSKey)},
		{"http.public_url", text(&c.HTTP.PublicURL)},
		{"http.max_connections", count(&c.HTTP.MaxConnections)},
		{"http.max_connections_per_address", count(&c.HTTP.MaxConnectionsPerAddress)},
		{"http.trusted_proxies", networks(&c.HTTP.TrustedProxies)},

		{"metrics.addr", text(&c.Metrics.Addr)},
		{"metrics.token", secret(&c.Metrics.Token)},

		{"redis.url", secret(&c.Redis.URL)},
		{"redis.ephemeral", truth(&c.Redis.Ephemeral)},
		{"redis.ack_replicas", count(&c.Redis.AckReplicas)},

		{"images.url", text(&c.Images.URL)},
		{"images.cache", size(&c.Images.Cache)},

		{"node.join", truth(&c.Node.Join)},
		{"node.role", text(&c.Node.Role)},
		{"node.drain", duration(&c.Node.Drain)},

		{"owner.email", text(&c.Owner.Email)},
		{"owner.password", secret(&c.Owner.Password)},

		{"mail.server", text(&c.Mail.Server)},
		{"mail.security", text(&c.Mail.Security)},
		{"mail.user", text(&c.Mail.User)},
		{"mail.password", secret(&c.Mail.Password)},
		{"mail.from", text(&c.Mail.From)},

		{"notify.allow", networks(&c.Notify.Allow)},

		{"ota.max_updates", count(&c.OTA.MaxUpdates)},
		{"ota.gateway_updates", count(&c.OTA.GatewayUpdates)},
		{"ota.rate", rate(&c.OTA.Rate)},
		{"ota.cache", size(&c.OTA.Cache)},
		{"ota.max_image", size(&c.OTA.MaxImage)},
		{"ota.attempts", count(&c.OTA.Attempts)},
		{"ota.cool_down", durations(&c.OTA.CoolDown)},
		{"ota.max_session_age", duration(&c.OTA.MaxSessionAge)},

		{"quota.devices", count(&c.Quota.Devices)},
		{"quota.images", size(&c.Quota.Images)},
		{"quota.connections", count(&c.Quota.Connections)},
		{"quota.updates", count(&c.Quota.Updates)},
		{"quota.streams", count(&c.Quota.Streams)},
		{"quota.user_streams", count(&c.Quota.UserStreams)},
		{"quota.uploads", count(&c.Quota.Uploads)},

		{"retention.age", duration(&c.Retention.Age)},
		{"retention.messages", size(&c.Retention.Messages)},
		{"retention.device_messages", size(&c.Retention.DeviceMessages)},
		{"retention.device_floor", size(&c.Retention.DeviceFloor)},
		{"retention.alerts", count(&c.Retention.Alerts)},
		{"retention.device_alerts", count(&c.Retention.DeviceAlerts)},
		{"retention.audit_age", duration(&c.Retention.AuditAge)},
		{"retention.audit", count(&c.Retention.Audit)},
		{"retention.sign_in_age", duration(&c.Retention.SignInAge)},
		{"retention.sign_ins", count(&c.Retention.SignIns)},

		{"log.level", level(&c.Log.Level)},
		{"log.format", text(&c.Log.Format)},
	}
}

// env returns the key's name in the environment.
func (k key) env() string {
	return prefix + strings.ToUpper(strings.ReplaceAll(k.name, ".", "_"))
}

const prefix = "MUSTER_"

// nearest returns the candidate with the fewest edits from name, "" when all take more than
// limit.
func nearest(name string, candidates []string, limit int) string {
	best := ""
	for _, candidate := range candidates {
		if n := edits(name, candidate, limit); n <= limit {
			best, limit = candidate, n-1
		}
	}
	return best
}

// edits returns how many letters to insert, delete or replace turn a into b. It stops
// counting above limit.
func edits(a, b string, limit int) int {
	if d := len(a) - len(b); d > limit || -d > limit {
		return limit + 1
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replace := diagonal
			if a[i] != b[j] {
				replace++
			}
			diagonal = row[j+1]
			row[j+1] = min(replace, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
