package configs

import (
	"strings"
	"testing"
	"time"
)

func TestWhatCantBeServedIsNamedByKey(t *testing.T) {
	for _, row := range []struct {
		name string
		edit func(*Config)
		want string // "" when it can be served
	}{
		{"defaults", func(*Config) {}, ""},
		{"free ports for all", func(c *Config) { c.MQTT.Addr, c.HTTP.Addr = "127.0.0.1:0", "127.0.0.1:0" }, ""},
		{"every interface", func(c *Config) { c.MQTT.Addr = ":1883" }, ""},
		{"IPv6", func(c *Config) { c.MQTT.Addr = "[::1]:1883" }, ""},
		{"only MQTT", func(c *Config) { c.HTTP.Addr = "" }, ""},
		{"nothing to serve", func(c *Config) { c.MQTT.Addr, c.HTTP.Addr = "", "" }, "there is nothing to serve"},
		{"address without port", func(c *Config) { c.MQTT.Addr = "localhost" }, `mqtt.addr is "localhost": use HOST:PORT`},
		{"port past the last", func(c *Config) { c.HTTP.Addr = "localhost:65536" }, `http.addr is "localhost:65536"`},
		{"port by name", func(c *Config) { c.HTTP.Addr = "localhost:http" }, `http.addr is "localhost:http"`},
		{"one port for two", func(c *Config) { c.HTTP.Addr = c.MQTT.Addr }, "mqtt.addr and http.addr are both"},
		{"TLS without certificate", func(c *Config) { c.MQTTS.Addr = ":8883" }, "set mqtts.tls_cert and mqtts.tls_key too"},
		{"TLS without key", func(c *Config) { c.MQTTS.Addr, c.MQTTS.TLSCert = ":8883", []string{"c"} }, "set mqtts.tls_cert and mqtts.tls_key too"},
		{"TLS", func(c *Config) { c.MQTTS = MQTTS{Addr: ":8883", TLSCert: []string{"c"}, TLSKey: []string{"k"}} }, ""},
		{"certificate without TLS", func(c *Config) { c.MQTTS = MQTTS{TLSCert: []string{"c"}, TLSKey: []string{"k"}} }, "without mqtts.addr"},
		{"several certificates", func(c *Config) {
			c.MQTTS = MQTTS{Addr: ":8883", TLSCert: []string{"a", "b"}, TLSKey: []string{"a", "b"}}
		}, ""},
		{"fewer keys than certificates", func(c *Config) {
			c.MQTTS = MQTTS{Addr: ":8883", TLSCert: []string{"a", "b"}, TLSKey: []string{"a"}}
		}, "mqtts.tls_cert names 2 files and mqtts.tls_key 1"},
		{"HTTPS", func(c *Config) { c.HTTP.TLSCert, c.HTTP.TLSKey = []string{"c"}, []string{"k"} }, ""},
		{"HTTPS without key", func(c *Config) { c.HTTP.TLSCert = []string{"c"} }, "http.tls_cert names 1 files and http.tls_key 0"},
		{"messages kept for minutes", func(c *Config) { c.Retention.Age = time.Minute }, "retention.age is 1m0s: use 1h0m0s or more"},
		{"a device may keep more than its team", func(c *Config) { c.Retention.DeviceMessages = 2 * c.Retention.Messages }, "retention.device_messages and retention.messages"},
		{"a floor above the most", func(c *Config) { c.Retention.DeviceFloor = 2 * c.Retention.DeviceMessages }, "retention.device_floor"},
		{"no alerts", func(c *Config) { c.Retention.Alerts = 0 }, "retention.alerts"},
		{"no audit log", func(c *Config) { c.Retention.Audit = 0 }, "retention.audit"},
		{"messages without limit", func(c *Config) { c.MQTT.TeamMessages = 0 }, ""},
		{"more messages than can be counted", func(c *Config) { c.MQTT.TeamMessages = 2_000_000 }, "mqtt.team_messages is 2000000: use 1000000 or less"},
		{"no connections", func(c *Config) { c.MQTT.MaxConnections = 0 }, "mqtt.max_connections is 0"},
		{"no places of an address", func(c *Config) { c.MQTT.MaxPendingPerAddress = 0 }, "mqtt.max_pending_per_address is 0: use 1 to 1024"},
		{"public URL", func(c *Config) { c.HTTP.PublicURL = "https://muster.example.com:8443/" }, ""},
		{"public URL without scheme", func(c *Config) { c.HTTP.PublicURL = "muster.example.com" }, `http.public_url is "muster.example.com": use https://HOST`},
		{"public URL with a path", func(c *Config) { c.HTTP.PublicURL = "https://example.com/muster" }, "http.public_url is"},
		{"a short token", func(c *Config) { c.Metrics.Token = "guess me" }, "metrics.token has 8 bytes: use 16 or more"},
		{"metrics alone", func(c *Config) { c.MQTT.Addr, c.HTTP.Addr, c.Metrics.Addr = "", "", ":9090" }, "there is nothing to serve"},
		{"one port for HTTP and metrics", func(c *Config) { c.Metrics.Addr = c.HTTP.Addr }, "http.addr and metrics.addr are both"},
		{"too few HTTP connections", func(c *Config) { c.HTTP.MaxConnections = 15 }, "http.max_connections is 15: use 16 or more"},
		{"none per address", func(c *Config) { c.HTTP.MaxConnectionsPerAddress = 0 }, "http.max_connections_per_address is 0"},
		{"keep-alive below the least", func(c *Config) { c.MQTT.MaxKeepalive = 9 * time.Second }, "mqtt.max_keepalive is 9s: use whole seconds from 10s to 12h0m0s"},
		{"keep-alive past the most", func(c *Config) { c.MQTT.MaxKeepalive = 12*time.Hour + time.Second }, "mqtt.max_keepalive"},
		{"keep-alive of parts of seconds", func(c *Config) { c.MQTT.MaxKeepalive = 10500 * time.Millisecond }, "mqtt.max_keepalive"},
		{"no folder", func(c *Config) { c.Data = "" }, "data is empty"},
		{"no folder, ephemeral", func(c *Config) { c.Data, c.Redis.Ephemeral = "", true }, ""},
		{"external Redis", func(c *Config) { c.Redis.URL = "redis://u:p@redis:6379/0" }, ""},
		{"Redis with TLS", func(c *Config) { c.Redis.URL = "rediss://redis:6379" }, ""},
		{"Redis on a socket", func(c *Config) { c.Redis.URL = "unix:///run/redis.sock" }, ""},
		{"several Redis", func(c *Config) { c.Redis.URL = "redis://a:7001,b:7002" }, "redis.url has several hosts: for a Cluster use"},
		{"several Redis with a password", func(c *Config) { c.Redis.URL = "rediss://u:p@a:7001,b:7002/0" }, "redis.url has several hosts"},
		{"a Redis Cluster", func(c *Config) { c.Redis.URL = "redis://a:7001?addr=b:7002&addr=c:7003" }, ""},
		{"Redis Sentinels", func(c *Config) { c.Redis.URL = "redis://a:26379/0?master_name=m&addr=b:26379" }, ""},
		{"password with a comma", func(c *Config) { c.Redis.URL = "redis://u:p,q@a:7001/0" }, ""},
		{"Redis without scheme", func(c *Config) { c.Redis.URL = "redis:6379" }, "redis.url is not one"},
		{"several servers", func(c *Config) { c.Node.Join = true }, "node.join (--join) is set without redis.url"},
		{"a role without others", func(c *Config) { c.Node.Role = RoleDevices }, "node.role (--role) is devices without node.join"},
		{"a role that there is not", func(c *Config) { c.Node.Role = "device" }, `node.role is "device": use all, devices or operators`},
		{"devices", func(c *Config) {
			c.Redis.URL, c.Node.Join, c.Node.Role, c.HTTP.Addr = "redis://h:1", true, RoleDevices, ""
		}, ""},
		{"operators", func(c *Config) {
			c.Redis.URL, c.Node.Join, c.Node.Role, c.MQTT.Addr = "redis://h:1", true, RoleOperators, ""
		}, ""},
		{"operators with MQTT", func(c *Config) {
			c.Redis.URL, c.Node.Join, c.Node.Role, c.MQTT.Addr = "redis://h:1", true, RoleOperators, ":1883"
		}, "node.role (--role) is operators, and mqtt.addr or mqtts.addr is set"},
		{"operators without HTTP", func(c *Config) {
			c.Redis.URL, c.Node.Join, c.Node.Role, c.MQTT.Addr, c.HTTP.Addr = "redis://h:1", true, RoleOperators, "", ""
		}, "http.addr is empty"},
		{"replicas of no Redis", func(c *Config) { c.Redis.AckReplicas = 1 }, "redis.ack_replicas is set without redis.url"},
		{"less than no replica", func(c *Config) { c.Redis.AckReplicas, c.Redis.URL = -1, "redis://localhost" }, "redis.ack_replicas is -1: use 0 to 5"},
		{"a day of draining", func(c *Config) { c.Node.Drain = 24 * time.Hour }, "node.drain is 24h0m0s: use 1h0m0s or less"},
		{"a bucket with a mistake", func(c *Config) { c.Images.URL = "s3://B" }, "a bucket's name has 3 to 63"},
		{"a bucket of an ephemeral fleet", func(c *Config) { c.Images.URL, c.Redis.Ephemeral = "s3://images", true }, "images.url and redis.ephemeral are both set"},
		{"too few copies", func(c *Config) { c.Images = Images{URL: "s3://images", Cache: 1 << 20} }, "images.cache is 1MiB: use ota.max_image, 64MiB, or more"},
		{"an image too large for a bucket", func(c *Config) {
			c.Images, c.OTA.MaxImage = Images{URL: "s3://images", Cache: 9 << 30}, 6<<30
		}, "a bucket takes 5GiB in one object"},
		{"two stores", func(c *Config) { c.Redis = Redis{URL: "redis://h:1", Ephemeral: true} }, "redis.url and redis.ephemeral are both set"},
		{"no updates behind a gateway", func(c *Config) { c.OTA.GatewayUpdates = 0 }, "ota.gateway_updates is 0"},
		{"no updates", func(c *Config) { c.OTA.MaxUpdates = 0 }, "ota.max_updates is 0"},
		{"no rate limit", func(c *Config) { c.OTA.Rate = 0 }, ""},
		{"rate below the least", func(c *Config) { c.OTA.Rate = 999 }, "ota.rate is 999B/s: use 1KB/s or more, or 0 for no limit"},
		{"cache below the least", func(c *Config) { c.OTA.Cache = 1<<20 - 1 }, "ota.cache is 1048575B: use 1MiB or more"},
		{"no image", func(c *Config) { c.OTA.MaxImage = 0 }, "ota.max_image is 0"},
		{"no attempts", func(c *Config) { c.OTA.Attempts = 0 }, "ota.attempts is 0: use 1 to 100"},
		{"attempts past the most", func(c *Config) { c.OTA.Attempts = 101 }, "ota.attempts is 101"},
		{"no cool-down", func(c *Config) { c.OTA.CoolDown = nil }, "ota.cool_down is empty"},
		{"equal cool-downs", func(c *Config) { c.OTA.CoolDown = []time.Duration{1, 1} }, ""},
		{"cool-down that shrinks", func(c *Config) { c.OTA.CoolDown = []time.Duration{time.Hour, time.Minute} }, "ota.cool_down shrinks from 1h0m0s to 1m0s"},
		{"no session age", func(c *Config) { c.OTA.MaxSessionAge = 0 }, "ota.max_session_age is 0s: use 1s or more"},
		{"unknown log format", func(c *Config) { c.Log.Format = "xml" }, `log.format is "xml": use text or json`},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := Default()
			row.edit(&c)
			err := c.Validate()
			if row.want == "" {
				if err != nil {
					t.Errorf("got %v, want that it can be served", err)
				}
			} else if err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("got  %v\nwant %s", err, row.want)
			}
		})
	}
}

func TestSizesReadAndShow(t *testing.T) {
	for _, row := range []struct {
		text string
		size Size
		show string
	}{
		{"0", 0, "0"},
		{"0B", 0, "0"},
		{"1B", 1, "1B"},
		{"4096B", 4096, "4KiB"},
		{"512KB", 512_000, "500KiB"},
		{"7KB", 7000, "7KB"},
		{"3MB", 3_000_000, "3MB"},
		{"64MiB", 64 << 20, "64MiB"},
		{"64 MiB", 64 << 20, "64MiB"},
		{"1GiB", 1 << 30, "1GiB"},
		{"2GB", 2e9, "2GB"},
	} {
		got, err := ParseSize(row.text)
		if err != nil || got != row.size || got.String() != row.show {
			t.Errorf("%s: got %d, %s, %v; want %d, %s", row.text, got, got, err, row.size, row.show)
		}
	}
	for _, text := range []string{"", "B", "1", "-1B", "+1B", "1.5MiB", "1kb", "1 ", "9223372036854775808B", "8589934592GiB"} {
		if got, err := ParseSize(text); err == nil {
			t.Errorf("%q: got %d, want an error", text, got)
		}
	}
}
